-- Plays the requests of a list: wrk ... -- LIST loop|once [PAUSE]
--
-- A line of the list is a path and, separated by tabs, header lines. `once` stops at its end.
-- Each connection waits for PAUSE milliseconds between two requests.
-- Prints what happened as one line of JSON.

local ffi = require("ffi")
ffi.cdef("int getpid(void); int tgkill(int, int, int);")
local SIGINT = 2
local requests, last, once, ended = {}, 0, false, false

function init(args)
    once = args[2] == "once"
    local pause = tonumber(args[3])
    if pause then
        function delay() return pause end
    end
    for line in io.lines(args[1]) do
        local path, headers = nil, {}
        for field in line:gmatch("[^\t]+") do
            if path then
                local key, value = field:match("^(.-): (.*)$")
                headers[key] = value
            else
                path = field
            end
        end
        requests[#requests + 1] = wrk.format("GET", path, headers)
    end
end

function request()
    if last == #requests then
        if once then
            if not ended then
                ended = true
                -- A thread that stops leaves the first one asleep until its time is up: this wakes it.
                ffi.C.tgkill(ffi.C.getpid(), ffi.C.getpid(), SIGINT)
            end
            return "" -- sends nothing
        end
        last = 0
    end
    last = last + 1
    return requests[last]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "seconds": %.6f, "bytes": %.0f, "p50": %.0f, "p99": %.0f, "refused": %d, "broken": %d}\n',
        summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50), latency:percentile(99),
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
