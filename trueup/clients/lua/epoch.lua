-- ARGV: bounds, epoch.
local epoch = tonumber(ARGV[2])
local current = tonumber(redis.call('HGET', FENCE, 'epoch') or nil)
if current and current >= epoch then
  return 0
end
redis.call('HSET', FENCE, 'epoch', ARGV[2])
-- Tokens of earlier epochs are void; that is no fault of the jobs, so it counts as no attempt.
local running = redis.call('HGETALL', RUNNING)
for i = 1, #running, 2 do
  local record = read(running[i + 1])
  give_back(running[i], record, {due = record.due, reason = ''})
end
wake()
return 1
