-- What wrk asks, and how it reports. Arguments: MODE ...
--
--   hit                          the URL again and again
--   close                        the same, on a connection of its own each time
--   range SIZE LENGTH            aligned ranges of LENGTH at varying offsets of an object of SIZE
--   cold PREFIX SIZE[,SIZE...]   objects nobody asked for before, of each size in turn
--   zipf PREFIX SIZE COUNT S SEED  one of COUNT objects, the n-th as often as 1/n^S says; S of 0 is all alike

local function host()
    return "Host: " .. wrk.host .. ":" .. wrk.port .. "\r\n\r\n"
end

-- Requests are made beforehand: what the load generator spends on them it has not for answers.
local function ranges(size, length)
    local requests, count = {}, math.floor(size / length)
    for n = 0, count - 1 do
        -- A stride without a common factor visits every range once before any twice, neighbours far apart.
        local offset = (n * 389 % count) * length
        local range = string.format("Range: bytes=%d-%d\r\n", offset, offset + length - 1)
        requests[n] = "GET " .. wrk.path .. " HTTP/1.1\r\n" .. range .. host()
    end
    local n = -1
    return function()
        n = (n + 1) % count
        return requests[n]
    end
end

local function cold(prefix, sizes)
    local starts, count = {}, 0
    for size in sizes:gmatch("[^,]+") do
        starts[count] = "GET /bucket/cold-" .. size .. "/" .. prefix .. "-"
        count = count + 1
    end
    local rest, n = ".m4s HTTP/1.1\r\n" .. host(), -1
    return function()
        n = n + 1
        return starts[n % count] .. n .. rest
    end
end

local function zipf(prefix, size, count, exponent, seed)
    local upto, sum = {}, 0
    for n = 1, count do
        sum = sum + n ^ -exponent
        upto[n] = sum
    end
    math.randomseed(seed)
    local start, rest = "GET /bucket/cold-" .. size .. "/" .. prefix .. "-", ".m4s HTTP/1.1\r\n" .. host()
    return function()
        local wanted, low, high = math.random() * sum, 1, count
        while low < high do
            local middle = math.floor((low + high) / 2)
            if upto[middle] < wanted then low = middle + 1 else high = middle end
        end
        return start .. low .. rest
    end
end

function init(args)
    if args[1] == "range" then
        request = ranges(tonumber(args[2]), tonumber(args[3]))
    elseif args[1] == "close" then
        wrk.headers["Connection"] = "close"
    elseif args[1] == "cold" then
        request = cold(args[2], args[3])
    elseif args[1] == "zipf" then
        request = zipf(args[2], args[3], tonumber(args[4]), tonumber(args[5]), tonumber(args[6]))
    end
end

function done(summary, latency)
    local e = summary.errors
    local errors = e.connect + e.read + e.write + e.status + e.timeout
    io.write(string.format(
        'outcome {"requests":%d,"bytes":%d,"micros":%d,"p50_us":%d,"p99_us":%d,' ..
        '"errors":%d,"statuses":%d,"timeouts":%d}\n',
        summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
        errors, e.status, e.timeout))
end
