-- wrk's requests: each names a random row, as a random one of the ten people who may see it.
-- The environment says what to ask: BENCH_METHOD, BENCH_PATH with {id}, BENCH_BODY with {id} and {n},
-- BENCH_TAG and BENCH_COUNT of the rows, BENCH_TOKENS, BENCH_SEED.
local method, path, body = os.getenv("BENCH_METHOD"), os.getenv("BENCH_PATH"), os.getenv("BENCH_BODY")
local tag, count, seed = tonumber(os.getenv("BENCH_TAG")), tonumber(os.getenv("BENCH_COUNT")), tonumber(os.getenv("BENCH_SEED"))
local tokens, asked = {}, 0
for token in io.lines(os.getenv("BENCH_TOKENS")) do tokens[#tokens + 1] = token end
math.randomseed(seed)

local function cut(text, mark)
  local at = text:find(mark, 1, true)
  if not at then return text, nil end
  return text:sub(1, at - 1), text:sub(at + #mark)
end
local before, after = cut(path, "{id}")
local head, tail = cut(body, "{id}")
local first, rest = cut(head, "{n}") -- a number that never comes again, where each text has to be new

-- The twin of bench/numbers.py.
local function id(number)
  local ms = string.format("%012x", 1767225600000 + 100000 * number)
  return string.format("%s-%s-7%03x-8000-%012x", ms:sub(1, 8), ms:sub(9), tag, number)
end

request = function()
  local number = math.random(1, count)
  local brand = (number - 1) % 200 + 1
  local token = tokens[(brand - 1) % 20 + 1 + 20 * math.random(0, 9)]
  local headers = { ["Authorization"] = "Bearer " .. token, ["Accept"] = "application/json" }
  local name = id(number)
  if method == "GET" then
    return wrk.format("GET", after and before .. name .. after or path, headers)
  end
  headers["Content-Type"] = "application/json"
  asked = asked + 1
  local start = rest and first .. string.format("%d_%d", seed, asked) .. rest or head
  return wrk.format("POST", path, headers, start .. name .. tail)
end
