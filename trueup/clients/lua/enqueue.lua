-- ARGV: bounds, jobs, claim (key, epoch, n) or empty, moves (expected or null, new); KEYS from 12: the tips.
local jobs = cjson.decode(ARGV[2])
local claim = ARGV[3] ~= '' and cjson.decode(ARGV[3])
local moves = cjson.decode(ARGV[4])

if claim and not held(claim.key, claim.epoch, claim.n) then
  return {'superseded'}
end
for i, move in ipairs(moves) do
  local current = redis.call('GET', KEYS[11 + i])
  if current and current ~= move.expected then
    return {'moved'}
  end
end

local added, seen = 0, {}
for _, job in ipairs(jobs) do
  if not seen[job.key] and redis.call('HEXISTS', WAITING, job.key) == 0 then
    added = added + 1
  end
  seen[job.key] = true
end
local stored = redis.call('HLEN', WAITING)
if added > 0 and stored + added > bounds.queue_jobs_max then
  return {'full', stored}
end

for _, job in ipairs(jobs) do
  local key, record = job.key, sound(job)
  record.due = now + math.floor(job.delay * 1000)
  record.key, record.delay = nil, nil
  local buried = exhume(key)
  if buried then
    buried.due = record.due
    record = merge(buried, record)
  end
  rested(key, record)
  local before = waiting(key)
  place(key, before and merge(before, record) or record)
end
for i, move in ipairs(moves) do
  redis.call('SET', KEYS[11 + i], move.new, 'PX', bounds.tip_ms)
end
wake_if_needed()
return {'ok'}
