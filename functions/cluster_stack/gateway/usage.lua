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
local ISSUER, SUBJECT = "x-freehold-issuer", "x-freehold-subject"
local NOBODY = "-" -- counts for whoever has a token that does not say who
local LONGEST = 4096 -- bytes of a `usage`, which may stand in several chunks
local LONGEST_NAME = 16 -- bytes that tell a member's name from those that are looked for
local BYTES_OF_A_TOKEN = 4
local find, sub, match = string.find, string.sub, string.match

function envoy_on_request(handle)
  local headers = handle:headers()
  local metadata = handle:streamInfo():dynamicMetadata()
  local path = match(headers:get(":path") or "", "^[^?]*")
  -- At the shared address it has been read from the body by now. Ceilings of namespaces go by the header.
  local model = headers:get(MODEL)
  if not model then
    model = match(path, "^/([^/]+/[^/]+)/v1/")
    if model then
      headers:replace(MODEL, model)
    end
  end
  if model then
    metadata:set(SPACE, "model", model)
  end
  -- Limits of each client go by both, and count nobody who lacks one.
  if headers:get(ISSUER) and (headers:get(SUBJECT) or "") == "" then
    headers:replace(SUBJECT, NOBODY)
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

-- Returns a function that takes a body chunk by chunk, and returns the last whole `usage` of a chunk, between its
-- braces, or nil. Only that of the answer itself counts: a member of the outermost object, or of its member
-- `response`. Deeper stands what a client has written, such as the tools of a request that an answer repeats.
--
-- by_line: whether each line is an object of its own, as in a stream. No string has a line's end in it.
local function reader(by_line)
  local depth, inside, escaped, word, named = 0, false, false, "", nil
  local response, outside, caught = false, nil, ""

  return function(text)
    local at, from, last = 1, 1, nil
    while at <= #text do
      if escaped then
        at, escaped = at + 1, false
      elseif inside then
        local stop = find(text, '["\\\n]', at) or #text + 1
        if #word <= LONGEST_NAME then
          word = word .. sub(text, at, math.min(stop - 1, at + LONGEST_NAME))
        end
        local what = sub(text, stop, stop)
        if what == "\\" then
          escaped, word = true, word .. what
        elseif what ~= "" then
          inside = false
        end
        at = stop + 1
        if what == "\n" then
          at = stop
        end
      else
        local stop = find(text, '["{}%[%]:\n]', at)
        if not stop then
          break
        end
        local what = sub(text, stop, stop)
        if what == '"' then
          inside, word = true, ""
        elseif what == ":" then
          named = word
        elseif what == "{" or what == "[" then
          if what == "{" and named == "usage" and (depth == 1 or depth == 2 and response) then
            outside, caught, from = depth, "", stop
          elseif depth == 1 then
            response = what == "{" and named == "response"
          end
          depth, named = depth + 1, nil
        elseif what ~= "\n" then
          depth = depth - 1
          if depth == outside then
            last, outside = caught .. sub(text, from, stop), nil
          end
        elseif by_line then
          depth, response, outside, named = 0, false, nil, nil
        end
        at = stop + 1
      end
    end
    if outside then
      caught, from = caught .. sub(text, from), 1
      if #caught > LONGEST then
        outside = nil
      end
    end
    return last
  end
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
  -- Where the client goes away before anything is told, the engine has read what was asked.
  count(handle, guessed, 0, true)
  local read, before, events, told = reader(streams), "", 0, false
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 then
      local text = chunk:getBytes(0, length)
      local usage = read(text)
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
        local _, ends = string.gsub(before .. text, "\n\n", "")
        events = events + ends
        count(handle, guessed, events, true)
      end
      before = sub(text, -1)
    end
  end
  if not streams and not told then
    count(handle, 0, 0, false) -- an answer that is whole and says none took none
  end
end
