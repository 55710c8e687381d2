local due = redis.call('ZCOUNT', DELAYED, '-inf', now)
local ready, delayed = redis.call('ZCARD', READY), redis.call('ZCARD', DELAYED)
local next_due = tonumber(redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2] or nil)
return {
  ready + due,
  delayed - due,
  redis.call('HLEN', WAITING) - ready - delayed,
  redis.call('HLEN', RUNNING),
  redis.call('HLEN', DEAD),
  next_due and math.max(0, math.ceil(next_due - now)) or false,
}
