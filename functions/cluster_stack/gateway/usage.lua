-- Which Model is asked, and how many tokens that takes: into the stream's dynamic metadata, for the record of the
-- request and for limits. Nothing of what is asked or answered is kept.
--
-- An answer says its tokens itself, in the member `usage`. The last one counts: a stream may say them all along. A
-- stream that says none is estimated while it goes on: a token for each event, and one for four bytes of the request.
-- So a client that goes away in between has what it has got so far counted.
--
-- Who has reached a limit is told when to come again in the header that clients know.

local SPACE = "freehold"
local MODEL = "x-freehold-model"
local LONGEST = 4096 -- bytes of a `usage`, which may stand in two chunks
local BYTES_OF_A_TOKEN = 4
local find, sub, match = string.find, string.sub, string.match

function envoy_on_request(handle)
  local headers = handle:headers()
  local metadata = handle:streamInfo():dynamicMetadata()
  local path = match(headers:get(":path") or "", "^[^?]*")
  -- At the shared address it has been read from the body by now.
  local model = headers:get(MODEL) or match(path, "^/([^/]+/[^/]+)/v1/")
  if model then
    metadata:set(SPACE, "model", model)
  end
  metadata:set(SPACE, "api", match(path, "/v1/(.+)$") or "")
  local length = tonumber(headers:get("content-length") or "")
  local in_chunks = length == nil and headers:get(":method") == "POST"
  metadata:set(SPACE, "asked", length or in_chunks and 1 or 0) -- an answer may come before the end of what is asked
  if in_chunks then
    length = 0
    for chunk in handle:bodyChunks() do
      length = length + chunk:length()
    end
    -- What was got before a chunk came is of no use after.
    handle:streamInfo():dynamicMetadata():set(SPACE, "asked", math.max(length, 1))
  end
end

-- Returns the last `usage` that is a whole object, between its braces; nil where there is none. In a string its
-- quotes would be escaped. The very last may go on in the next chunk, or be null.
local function last_usage(text)
  local last, before
  local at = find(text, '"usage"', 1, true)
  while at do
    last, before = at + 7, last
    at = find(text, '"usage"', last, true)
  end
  return last and match(text, "^%s*:%s*(%b{})", last) or before and match(text, "^%s*:%s*(%b{})", before)
end

local function number_of(usage, ...)
  for _, name in ipairs({ ... }) do
    local found = match(usage, '"' .. name .. '"%s*:%s*(%d+)')
    if found then
      return tonumber(found)
    end
  end
  return 0
end

local function count(handle, tokens_in, tokens_out, estimated)
  local metadata = handle:streamInfo():dynamicMetadata() -- what was got before a chunk came is of no use after
  metadata:set(SPACE, "tokens_in", tokens_in)
  metadata:set(SPACE, "tokens_out", tokens_out)
  metadata:set(SPACE, "tokens", tokens_in + tokens_out)
  metadata:set(SPACE, "estimated", estimated)
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local reset = headers:get(":status") == "429" and match(headers:get("x-ratelimit-reset") or "", "%d+")
  if reset and not headers:get("retry-after") then
    headers:add("retry-after", reset)
  end
  local said = handle:streamInfo():dynamicMetadata():get(SPACE)
  if type(said) ~= "table" or (said["asked"] or 0) == 0 or headers:get(":status") ~= "200" then
    return -- what has no body, such as the list of models, and what is refused takes no tokens
  end
  local streams = find(headers:get("content-type") or "", "text/event-stream", 1, true)
  local guessed = math.ceil(said["asked"] / BYTES_OF_A_TOKEN)
  local held, events, told = "", 0, false
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 then
      local new = chunk:getBytes(0, length)
      local text = held .. new
      local usage = last_usage(text)
      if usage then
        told = true
        count(
          handle,
          number_of(usage, "prompt_tokens", "input_tokens", "total_tokens"),
          number_of(usage, "completion_tokens", "output_tokens"),
          false
        )
      elseif streams and not told then
        -- An event ends with an empty line, which may be divided, too.
        local _, ends = string.gsub(sub(held, -1) .. new, "\n\n", "")
        events = events + ends
        count(handle, guessed, events, true)
      end
      held = sub(text, -LONGEST)
    end
  end
end
