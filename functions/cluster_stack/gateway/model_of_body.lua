-- Which Model a request at the shared address names: the string `model` of the JSON object in its body.
--
-- It goes into the header by which the Model's own route is chosen; the gateway drops that header from what
-- clients send, and Envoy looks for a route anew once it is set. The engine knows the Model by another name,
-- or by several, and takes an empty one for its own: so the body's is emptied.
--
-- Of a member that comes twice the last one counts, as it does for the engine. What is wrong inside of values
-- is left for the engine to refuse. Every byte is read once, whatever it is.

local HEADER = "x-freehold-model"
local LONGEST = 63 + 1 + 253 -- of a namespace and a name
local MOST_MEMBERS = 256 -- each is looked at; no API of OpenAI's has so many
local byte, sub, find = string.byte, string.sub, string.find
local QUOTE, BACKSLASH, COLON, COMMA = 34, 92, 58, 44
local OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = 123, 125, 91, 93

local function refusal(message, param)
  return '{"error":{"message":"' .. message .. '","type":"invalid_request_error","param":' .. param .. ',"code":null}}'
end

local NO_OBJECT = refusal("The body is no JSON object in UTF-8.", "null")
local TOO_MANY = refusal("The body has more than " .. MOST_MEMBERS .. " members.", "null")
local NO_MODEL = refusal("The body names no model: let the string `model` be NAMESPACE/NAME, as GET /v1/models lists it.", '"model"')

local function behind_blanks(text, at)
  local found = byte(text, at)
  while found == 32 or found == 10 or found == 13 or found == 9 do
    at = at + 1
    found = byte(text, at)
  end
  return at
end

-- Returns where the closing quote is of the string that opens at a position; nil where there is none.
local function closing_quote(text, at)
  at = at + 1
  local found = byte(text, at)
  while found do
    if found == QUOTE then
      return at
    end
    if found == BACKSLASH then
      at = at + 1
    end
    at = at + 1
    found = byte(text, at)
  end
  return nil
end

-- Returns the position behind the value that begins at one; nil where it does not end.
local function behind_value(text, at)
  local found = byte(text, at)
  if found == QUOTE then
    local last = closing_quote(text, at)
    return last and last + 1
  end
  if found ~= OPEN and found ~= OPEN_LIST then
    local first = at
    while found and found ~= COMMA and found ~= CLOSE do
      at = at + 1
      found = byte(text, at)
    end
    return at > first and at or nil
  end
  local depth = 0
  while found do
    if found == QUOTE then
      at = closing_quote(text, at)
      if not at then
        return nil
      end
    elseif found == OPEN or found == OPEN_LIST then
      depth = depth + 1
    elseif found == CLOSE or found == CLOSE_LIST then
      depth = depth - 1
      if depth == 0 then
        return at + 1
      end
    end
    at = at + 1
    found = byte(text, at)
  end
  return nil
end

-- Returns what is between two quotes, without escapes; nil for what is longer, once written out, than wanted.
-- A character that stands in no name, such as one beyond ASCII, is a question mark.
local function unquoted(text, first, last, longest)
  if last - first + 1 > 6 * longest then
    return nil
  end
  local written = sub(text, first, last)
  if not find(written, "\\", 1, true) then
    return written
  end
  local parts, at = {}, 1
  while at <= #written do
    local one = sub(written, at, at)
    at = at + 1
    if one == "\\" then
      one = sub(written, at, at)
      at = at + 1
      if one == "u" then
        local code = tonumber(sub(written, at, at + 3), 16)
        one = code and code < 128 and string.char(code) or "?"
        at = at + 4
      elseif one ~= "/" then
        one = "?"
      end
    end
    parts[#parts + 1] = one
  end
  return table.concat(parts)
end

-- Returns where the value of the last member `model` begins and ends; nil and a refusal where there is none.
local function place_of_model(text)
  local at = behind_blanks(text, 1)
  if byte(text, at) ~= OPEN then
    return nil, NO_OBJECT
  end
  at = behind_blanks(text, at + 1)
  local first, last
  local members = 0
  local empty = byte(text, at) == CLOSE
  while not empty do
    members = members + 1
    if members > MOST_MEMBERS then
      return nil, TOO_MANY
    end
    local quote = byte(text, at) == QUOTE and closing_quote(text, at)
    if not quote then
      return nil, NO_OBJECT
    end
    local name = unquoted(text, at + 1, quote - 1, 5)
    at = behind_blanks(text, quote + 1)
    if byte(text, at) ~= COLON then
      return nil, NO_OBJECT
    end
    at = behind_blanks(text, at + 1)
    local behind = behind_value(text, at)
    if not behind then
      return nil, NO_OBJECT
    end
    if name == "model" then
      first, last = at, behind - 1
    end
    at = behind_blanks(text, behind)
    local found = byte(text, at)
    if found == CLOSE then
      break
    end
    if found ~= COMMA then
      return nil, NO_OBJECT
    end
    at = behind_blanks(text, at + 1)
  end
  if behind_blanks(text, at + 1) <= #text then
    return nil, NO_OBJECT
  end
  if not first or byte(text, first) ~= QUOTE then
    return nil, NO_MODEL
  end
  return first, last
end

function envoy_on_request(handle)
  local body = handle:body()
  local text = body and body:getBytes(0, body:length()) or ""
  local first, last = place_of_model(text)
  if not first then
    handle:respond({ [":status"] = "400", ["content-type"] = "application/json" }, last)
    return
  end
  local name = unquoted(text, first + 1, last - 1, LONGEST)
  if not name or #name > LONGEST or not find(name, "^[a-z0-9][-a-z0-9]*/[a-z0-9][-.a-z0-9]*$") then
    -- No Model has such a name: the request goes on as one for a Model that does not exist.
    return
  end
  local length = body:setBytes(sub(text, 1, first - 1) .. '""' .. sub(text, last + 1))
  local headers = handle:headers()
  if headers:get("content-length") then
    headers:replace("content-length", tostring(length))
  end
  headers:replace(HEADER, name)
end
