-- What every load shares. With an argument, a POST whose body has so many bytes; at the end, one line of JSON.
-- The headers come from the command line (-H); see loads.py.

function init(args)
   if args[1] then
      wrk.method = "POST"
      wrk.body = string.rep("x", tonumber(args[1]))
      wrk.headers["Content-Type"] = "application/octet-stream"
   end
end

-- Latencies and durations are microseconds.
function done(summary, latency, _requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "duration": %d, "p50": %d, "p99": %d,'
      .. ' "connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
