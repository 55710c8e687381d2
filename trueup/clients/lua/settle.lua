-- ARGV: bounds, claim (key, epoch, n), for how many milliseconds the key rests.
local claim = cjson.decode(ARGV[2])
local record = held(claim.key, claim.epoch, claim.n)
if not record then
  return {'superseded'}
end
finish(claim.key)
local rest = tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', RESTING, '-inf', now)
redis.call('ZREM', RESTING, claim.key)
if rest > 0 then
  redis.call('ZADD', RESTING, now + rest, claim.key)
  redis.call('PEXPIRE', RESTING, math.max(rest, redis.call('PTTL', RESTING)))
end
local arrived = waiting(claim.key)
if arrived then
  place(claim.key, rested(claim.key, arrived))
  wake_if_needed()
end
return {'ok', math.floor(now - record.at)}
