-- What bench/load.py lets wrk do. The last word of the command line names a Lua file that returns a table: method, path,
-- headers; and where wanted bodies (taken in turn), status and text (which each answer must have), pace (milliseconds
-- between an answer and the next request). Prints one line of JSON.

local spec
local threads = {}
local turn = 0
wrong = 0

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  spec = dofile(args[1])
  wrk.method, wrk.path = spec.method, spec.path
  for name, value in pairs(spec.headers) do
    wrk.headers[name] = value
  end
  if spec.pace then
    delay = function() return spec.pace end
  end
  if spec.bodies then
    request = function()
      turn = turn % #spec.bodies + 1
      return wrk.format(nil, nil, nil, spec.bodies[turn])
    end
    -- Looking at each answer costs the client CPU: only where an answer costs the server far more.
    response = function(status, headers, body)
      if status ~= spec.status or not string.find(body .. (headers["Location"] or ""), spec.text, 1, true) then
        wrong = wrong + 1
      end
    end
  end
end

function done(summary, latency)
  local wrongs, times = 0, {}
  for _, thread in ipairs(threads) do
    wrongs = wrongs + thread:get("wrong")
  end
  for at = 1, #latency do
    local value, count = latency(at)
    table.insert(times, string.format("[%d,%d]", value, count))
  end
  local e = summary.errors
  print(string.format('{"answers":%d,"seconds":%f,"wrong":%d,"failed":%d,"times":[%s]}', summary.requests,
    summary.duration / 1e6, wrongs + e.status, e.connect + e.read + e.write + e.timeout, table.concat(times, ",")))
end
