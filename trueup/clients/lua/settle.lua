-- ARGV: bounds, claim (key, epoch, n).
local claim = cjson.decode(ARGV[2])
local record = held(claim.key, claim.epoch, claim.n)
if not record then
  return {'superseded'}
end
finish(claim.key)
local arrived = waiting(claim.key)
if arrived then
  place(claim.key, arrived)
  wake_if_needed()
end
return {'ok', math.floor(now - record.at)}
