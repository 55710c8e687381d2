-- ARGV: bounds, claim (key, epoch, n), how (failed, dead, delay or null, reason).
local claim = cjson.decode(ARGV[2])
local how = cjson.decode(ARGV[3])
local record = held(claim.key, claim.epoch, claim.n)
if not record then
  return {'superseded'}
end
how.due = how.failed and now + math.floor(how.delay * 1000) or record.due
give_back(claim.key, record, how)
wake_if_needed()
return {'ok', 0}
