-- ARGV: bounds, claim (key, epoch, n).
local claim = cjson.decode(ARGV[2])
if not held(claim.key, claim.epoch, claim.n) then
  return {'superseded'}
end
redis.call('ZADD', LEASES, now + bounds.lease_ms, claim.key)
return {'ok', 0}
