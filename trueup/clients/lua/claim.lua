local fence = redis.call('HMGET', FENCE, 'epoch', 'n')
local epoch = tonumber(fence[1] or nil)
if not epoch then
  return {'epoch'}
end

-- A run without a lease can only come of a partial loss; it is one whose worker is gone.
if redis.call('HLEN', RUNNING) ~= redis.call('ZCARD', LEASES) then
  for _, key in ipairs(redis.call('HKEYS', RUNNING)) do
    redis.call('ZADD', LEASES, 'NX', now, key)
  end
end

for _, key in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, bounds.batch_max)) do
  local text = redis.call('HGET', RUNNING, key)
  if text then
    give_back(key, read(text), {failed = true, due = now, reason = 'its worker was lost: the lease ran out'})
  else
    finish(key)
  end
end

for _, key in ipairs(redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now, 'LIMIT', 0, bounds.batch_max)) do
  place(key, read(redis.call('HGET', WAITING, key)))
end

-- Entries without a turn are what a partial loss left; what is no entry of ours stands last, by its first
-- letter. Both go into line anew, and first where nobody knows since when they wait.
local function is_stray(line)
  return line and (redis.call('ZCARD', TURNS) == 0 or not line:find('^%d[^%z]*%z'))
end
for _ = 1, bounds.batch_max do
  local line = redis.call('ZRANGE', READY, -1, -1)[1]
  if not is_stray(line) then
    break
  end
  redis.call('ZREM', READY, line)
  local key = key_of(line)
  local text = redis.call('HGET', WAITING, key)
  local record = read(text)
  record.due = text and record.due or 0
  place(key, record)
end

local turn, line
repeat
  turn = redis.call('ZRANGE', TURNS, 0, 0)[1]
  line = turn and first_of(turn)
  if turn and not line then
    redis.call('ZREM', TURNS, turn)
  end
until line or not turn
if not line then
  redis.call('DEL', WAKE)
  local next_at = now + bounds.block_ms
  for _, line in ipairs({DELAYED, LEASES}) do
    local head = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
    next_at = math.min(next_at, tonumber(head[2] or next_at))
  end
  return {'none', math.max(1, math.ceil(next_at - now))}
end

local key = key_of(line)
local record = read(redis.call('HGET', WAITING, key))
redis.call('HDEL', WAITING, key)
redis.call('ZREM', READY, line)
if first_of(turn) then
  redis.call('ZADD', TURNS, take_turn(turn), turn)
else
  redis.call('ZREM', TURNS, turn)
end
record.line = nil
-- Never below the clock: a failover that loses the last claims does not hand out their tokens again.
local n = math.max(number(tonumber(fence[2] or nil), 0) + 1, now)
redis.call('HSET', FENCE, 'n', string.format('%.0f', n))
record.epoch, record.n = epoch, n
local text = cjson.encode(record)
redis.call('HSET', RUNNING, key, text)
redis.call('ZADD', LEASES, now + bounds.lease_ms, key)
wake()
return {'job', key, text}
