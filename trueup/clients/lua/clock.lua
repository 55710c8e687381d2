-- Redis' own clock, in milliseconds since the epoch: no host's clock has a say.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
