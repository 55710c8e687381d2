-- Adds entries to the stream of audit events and keeps it short and mortal, in one step.
-- KEYS: the stream. ARGV: entries at the most, milliseconds to live, then for each entry its subject and its text.
for at = 3, #ARGV, 2 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'server', ARGV[at], 'sealed', ARGV[at + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return (#ARGV - 2) / 2
