-- Charges requests against windows: an exact sliding log, one list of times for each window.
-- KEYS are the windows. ARGV: the length of a window and the clock's offset, in µs; as JSON
-- [limits, requests], where a request is [weight, time, window, …], windows by number. All of its
-- windows have room, or none is charged. A weight below 0 gives back what was charged at that time.
local length, given = tonumber(ARGV[1]), cjson.decode(ARGV[3])
local limits, requests = given[1], given[2]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2] + ARGV[2]
local left, spent, frees = {}, {}, {}

for i, key in ipairs(KEYS) do
  local last = tonumber(redis.call('LINDEX', key, -1) or 0)
  if last > now + length then
    redis.call('DEL', key) -- the clock was set far back: begin anew
  elseif last > now then
    now = last -- a little: time stands still
  end
  local first = redis.call('LINDEX', key, 0)
  while first and first + length < now do
    redis.call('LPOP', key)
    first = redis.call('LINDEX', key, 0)
  end
  frees[i] = (first or now) + length + 1 - now
  left[i] = limits[i] - redis.call('LLEN', key)
  spent[i] = 0
end

local told = {math.floor(now / 1000000), now % 1000000}
for _, request in ipairs(requests) do
  local weight, refused, wait = request[1], 0, 0
  for place = #request, 3, -1 do
    local window = request[place]
    if left[window] < math.min(weight, limits[window]) then
      -- How long it takes until there is room for anything at all.
      refused, wait = place - 2, left[window] <= 0 and frees[window] or 0
    end
  end
  table.insert(told, refused)
  table.insert(told, wait)
  for place = 3, #request do
    local window = request[place]
    if weight < 0 then
      -- From the newest on, where it lies.
      local units = math.max(weight, -limits[window])
      left[window] = left[window] + redis.call('LREM', KEYS[window], units, request[2])
    elseif refused == 0 then
      -- What weighs more than a whole window takes all of it.
      local units = math.min(weight, limits[window])
      left[window] = left[window] - units
      spent[window] = spent[window] + units
    end
    table.insert(told, math.max(left[window], 0))
  end
end

for i, key in ipairs(KEYS) do
  while spent[i] > 0 do
    local times = {}
    for n = 1, math.min(spent[i], 1000) do times[n] = now end
    redis.call('RPUSH', key, unpack(times))
    spent[i] = spent[i] - #times
    redis.call('PEXPIRE', key, 2 * length / 1000)
  end
end
return cjson.encode(told)
