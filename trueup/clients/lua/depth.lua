local due = redis.call('ZCOUNT', DELAYED, '-inf', now)
local ready, delayed = redis.call('ZCARD', READY), redis.call('ZCARD', DELAYED)
return {
  ready + due,
  delayed - due,
  redis.call('HLEN', WAITING) - ready - delayed,
  redis.call('HLEN', RUNNING),
  redis.call('HLEN', DEAD),
}
