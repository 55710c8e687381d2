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

local key
repeat
  key = redis.call('ZPOPMIN', READY)[1]
until not key or redis.call('HEXISTS', RUNNING, key) == 0
if not key then
  redis.call('DEL', WAKE)
  local next_at = now + bounds.block_ms
  for _, line in ipairs({DELAYED, LEASES}) do
    local head = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
    next_at = math.min(next_at, tonumber(head[2] or next_at))
  end
  return {'none', math.max(1, math.ceil(next_at - now))}
end

local record = read(redis.call('HGET', WAITING, key))
redis.call('HDEL', WAITING, key)
-- Never below the clock: a failover that loses the last claims does not hand out their tokens again.
local n = math.max(number(tonumber(fence[2] or nil), 0) + 1, now)
redis.call('HSET', FENCE, 'n', string.format('%.0f', n))
record.epoch, record.n = epoch, n
local text = cjson.encode(record)
redis.call('HSET', RUNNING, key, text)
redis.call('ZADD', LEASES, now + bounds.lease_ms, key)
wake()
return {'job', key, text}
