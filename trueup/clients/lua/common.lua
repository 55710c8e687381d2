local FENCE, WAITING, READY, DELAYED, RUNNING, LEASES, DEAD, DEAD_AT, WAKE, TURNS, RESTING = unpack(KEYS, 1, 11)
local bounds = cjson.decode(ARGV[1])
local now = clock()

-- Above any number of turns, and small enough for ten priorities in a double's 53 bits.
local PRIORITY_STEP = 1e13

-- Pushes and sweeps, by the priorities of jobs: what a key that rests is spared.
local PATIENT = 2

-- Neither NaN nor infinity, which could be read but not written again.
local function number(value, otherwise)
  return type(value) == 'number' and value > -1e15 and value < 1e15 and value or otherwise
end

-- A record that cannot be read, or that another version wrote, is a hint lost: look at everything.
local function sound(record)
  record.all = record.all ~= false or record.v ~= bounds.version or type(record.scope) ~= 'table'
  record.v = bounds.version
  record.scope = not record.all and record.scope or {}
  record.p = math.max(0, math.min(9, math.floor(number(record.p, 2))))
  record.due = number(record.due, now)
  record.at = number(record.at, now)
  record.attempt = number(record.attempt, 0)
  record.tip = type(record.tip) == 'string' and record.tip or ''
  record.lane = type(record.lane) == 'string' and record.lane:gsub('%z', '') or ''
  return record
end

local function read(text)
  local known, record = pcall(cjson.decode, text or '')
  return sound(known and type(record) == 'table' and record or {})
end

local function merge(older, newer)
  older.p = math.min(older.p, newer.p)
  older.due = math.min(older.due, newer.due)
  older.at = math.min(older.at, newer.at)
  older.attempt = math.max(older.attempt, newer.attempt)
  older.tip = newer.tip ~= '' and newer.tip or older.tip
  older.lane = newer.lane ~= '' and newer.lane or older.lane
  older.all = older.all or newer.all
  if not older.all then
    local members = 0
    for member in pairs(newer.scope) do
      older.scope[member] = 1
    end
    for _ in pairs(older.scope) do
      members = members + 1
    end
    older.all = members > bounds.scope_members_max
  end
  if older.all then
    older.scope = {}
  end
  return older
end

-- True once a blocked worker has something to do, or an earlier time to wait for.
local waking = false

-- The line of the due is one sorted set, by name: priority and lane, then due time, then key. Within a
-- priority the lanes take turns, so that many jobs of one lane do not keep another waiting; a lane that
-- joins, or was served and has more, is last. READY holds the line, TURNS who is next.
local function first_of(turn)
  return redis.call('ZRANGEBYLEX', READY, '[' .. turn .. '\0', '(' .. turn .. '\1', 'LIMIT', 0, 1)[1]
end

local function take_turn(turn)
  local p = tonumber(turn:sub(1, 1))
  local last = redis.call('ZREVRANGEBYSCORE', TURNS, '(' .. string.format('%.0f', (p + 1) * PRIORITY_STEP),
    string.format('%.0f', p * PRIORITY_STEP), 'WITHSCORES', 'LIMIT', 0, 1)
  return tonumber(last[2] or p * PRIORITY_STEP) + 1
end

local function key_of(line)
  return line:match('^%d[^%z]*%z' .. ('%d'):rep(16) .. '(.*)$') or line
end

local function join_line(key, record)
  local turn = record.p .. record.lane
  record.line = turn .. '\0' .. string.format('%016.0f', record.due + 1e15) .. key
  redis.call('ZADD', READY, 0, record.line)
  if not redis.call('ZSCORE', TURNS, turn) then
    redis.call('ZADD', TURNS, take_turn(turn), turn)
  end
end

local function leave_line(record)
  if type(record.line) == 'string' then
    redis.call('ZREM', READY, record.line)
    local turn = record.line:match('^[^%z]*')
    if not first_of(turn) then
      redis.call('ZREM', TURNS, turn)
    end
  end
  record.line = nil
end

-- The only place that stores a waiting job. While its key runs it is held: stored, but in no line.
local function place(key, record)
  local running = redis.call('HEXISTS', RUNNING, key) == 1
  if running or record.due <= now then
    redis.call('ZREM', DELAYED, key)
  end
  local stored = redis.call('HGET', WAITING, key)
  local before = stored and read(stored) or {}
  record.line = nil
  if not running and record.due <= now then
    join_line(key, record)
    waking = true
  end
  if before.line ~= record.line then
    leave_line(before)
  end
  redis.call('HSET', WAITING, key, cjson.encode(record))
  if running or record.due <= now then
    return
  else
    redis.call('ZADD', DELAYED, record.due, key)
    waking = waking or redis.call('ZRANK', DELAYED, key) == 0
  end
end

-- One token for each blocked worker that is worth waking. More than enough costs an empty claim,
-- too few nothing: a worker that claims wakes the next, and no block is without an end.
local function wake()
  local wanted = math.min(redis.call('ZCARD', READY), bounds.wakes_max)
  if wanted == 0 and redis.call('ZCARD', DELAYED) > 0 then
    wanted = 1
  end
  for _ = redis.call('LLEN', WAKE) + 1, wanted do
    redis.call('RPUSH', WAKE, '1')
  end
  if wanted > 0 then
    redis.call('PEXPIRE', WAKE, bounds.wake_ms)
  end
end

local function wake_if_needed()
  if waking then
    wake()
  end
end

local function bury(key, record, how)
  record.reason, record.outage = how.reason, how.outage
  record.dead_at = now
  redis.call('HSET', DEAD, key, cjson.encode(record))
  redis.call('ZADD', DEAD_AT, now, key)
  local gone = redis.call('ZRANGEBYSCORE', DEAD_AT, '-inf', now - bounds.dead_letter_ms, 'LIMIT', 0, bounds.batch_max)
  local surplus = redis.call('ZCARD', DEAD_AT) - #gone - bounds.dead_letters_max
  if surplus > 0 then
    gone = redis.call('ZRANGE', DEAD_AT, 0, #gone + surplus - 1)
  end
  for _, old in ipairs(gone) do
    redis.call('HDEL', DEAD, old)
    redis.call('ZREM', DEAD_AT, old)
  end
  redis.call('PEXPIRE', DEAD, bounds.dead_letter_ms)
  redis.call('PEXPIRE', DEAD_AT, bounds.dead_letter_ms)
end

local function exhume(key)
  local text = redis.call('HGET', DEAD, key)
  if not text then
    return nil
  end
  redis.call('HDEL', DEAD, key)
  redis.call('ZREM', DEAD_AT, key)
  local record = read(text)
  record.reason, record.outage, record.dead_at = nil, nil, nil
  record.attempt = 0
  return record
end

-- The record of a run, if this token may still speak for it.
local function held(key, epoch, n)
  local text = redis.call('HGET', RUNNING, key)
  local record = text and read(text)
  local expiry = tonumber(redis.call('ZSCORE', LEASES, key) or nil)
  if not record or record.epoch ~= epoch or record.n ~= n then
    return nil
  end
  if tonumber(redis.call('HGET', FENCE, 'epoch') or nil) ~= epoch or not expiry or expiry <= now then
    return nil
  end
  return record
end

local function finish(key)
  redis.call('HDEL', RUNNING, key)
  redis.call('ZREM', LEASES, key)
end

local function waiting(key)
  local text = redis.call('HGET', WAITING, key)
  return text and read(text)
end

-- While its key rests, nothing but a person or a live object brings a job forward.
local function rested(key, record)
  local ends = record.p >= PATIENT and tonumber(redis.call('ZSCORE', RESTING, key) or nil)
  if ends then
    record.due = math.max(record.due, ends)
  end
  return record
end

-- The end of a run that did not settle: what it was to look at waits again, with what came meanwhile.
-- `how.failed` counts the run, `how.dead` ends the retries; an event that came meanwhile revives.
local function give_back(key, record, how)
  local arrived = waiting(key)
  finish(key)
  record.epoch, record.n = nil, nil
  record.due = how.due
  record.attempt = record.attempt + (how.failed and 1 or 0)
  local dead = how.dead or how.failed and record.attempt >= bounds.attempts_max
  if dead and not arrived then
    bury(key, record, how)
    return
  end
  if dead then
    record.attempt = 0
    record.due = arrived.due
  end
  place(key, arrived and merge(record, arrived) or record)
end
