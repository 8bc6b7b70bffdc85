using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Merging;

/// <summary>Applies JSON patches (RFC 6902). A failed operation refuses the whole patch.</summary>
public static class JsonPatch
{
    private const int MaxOperations = 10_000;

    public static JsonNode? Apply(JsonNode? document, JsonNode? patch)
    {
        if (patch is not JsonArray operations)
        {
            throw ApiError.BadRequest("json: cannot unmarshal object into Go value of type jsonpatch.Patch");
        }

        if (operations.Count > MaxOperations)
        {
            throw new ApiError(
                413,
                "RequestEntityTooLarge",
                $"Request entity too large: The allowed maximum operations in a JSON patch is {MaxOperations}, got {operations.Count}"
            );
        }

        var root = document?.DeepClone();
        foreach (var operation in operations)
        {
            root = ApplyOne(root, operation as JsonObject ?? throw ApiError.BadRequest("a JSON patch operation must be an object"));
        }

        return root;
    }

    private static JsonNode? ApplyOne(JsonNode? root, JsonObject operation)
    {
        var name = operation.Text("op") ?? "";
        var path = operation.Text("path") ?? throw ApiError.BadRequest("a JSON patch operation must have a path");
        switch (name)
        {
            case "test":
                var expected = operation.At("value");
                if (!TryGet(root, path, out var actual))
                {
                    if (expected is null)
                    {
                        return root;
                    }

                    throw ApiError.Unprocessable($"testing path {path} failed: missing path");
                }

                return Json.Same(actual, expected) ? root : throw ApiError.Unprocessable($"testing value {path} failed: test failed");
            case "add":
                return Put(root, path, operation.At("value")?.DeepClone(), insert: true);
            case "replace":
                // Like Kubernetes' library: a missing key of an object is set, a missing index of a list is an error.
                return Put(root, path, operation.At("value")?.DeepClone(), insert: false);
            case "remove":
                return Remove(root, path, "remove");
            case "move":
                var from = operation.Text("from") ?? throw ApiError.BadRequest("a move operation must have a from");
                if (!TryGet(root, from, out var moved))
                {
                    throw ApiError.Unprocessable($"move operation does not apply: doc is missing from path: {from}: missing value");
                }

                moved = moved?.DeepClone();
                return Put(Remove(root, from, "move"), path, moved, insert: true);
            case "copy":
                var source = operation.Text("from") ?? throw ApiError.BadRequest("a copy operation must have a from");
                return TryGet(root, source, out var copied)
                    ? Put(root, path, copied?.DeepClone(), insert: true)
                    : throw ApiError.Unprocessable($"copy operation does not apply: doc is missing from path: {source}: missing value");
            default:
                throw ApiError.Unprocessable($"Unexpected kind: {name}");
        }
    }

    private static string[] Tokens(string path)
    {
        if (path.Length == 0)
        {
            return [];
        }

        if (path[0] != '/')
        {
            throw ApiError.Unprocessable($"the path \"{path}\" does not begin with a slash");
        }

        var tokens = path[1..].Split('/');
        for (var i = 0; i < tokens.Length; i++)
        {
            tokens[i] = tokens[i].Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
        }

        return tokens;
    }

    private static bool TryGet(JsonNode? root, string path, out JsonNode? found)
    {
        found = root;
        foreach (var token in Tokens(path))
        {
            switch (found)
            {
                case JsonObject obj when obj.TryGetPropertyValue(token, out var child):
                    found = child;
                    break;
                case JsonArray list when Index(token, list.Count) is { } index:
                    found = list[index];
                    break;
                default:
                    return false;
            }
        }

        return true;
    }

    private static JsonNode? Put(JsonNode? root, string path, JsonNode? value, bool insert)
    {
        var tokens = Tokens(path);
        if (tokens.Length == 0)
        {
            return value;
        }

        var (parent, last) = Parent(root, tokens, path, insert ? "add" : "replace");
        if (parent is JsonObject obj)
        {
            obj[last] = value;
        }
        else
        {
            var list = (JsonArray)parent;
            if (insert)
            {
                var at =
                    last == "-"
                        ? list.Count
                        : Index(last, list.Count + 1)
                            ?? throw ApiError.Unprocessable(
                                $"add operation does not apply: doc is missing path: \"{path}\": Unable to access invalid index: {last}: invalid index referenced"
                            );
                list.Insert(at, value);
            }
            else
            {
                list[
                    Index(last, list.Count)
                        ?? throw ApiError.Unprocessable($"replace operation does not apply: doc is missing key: {path}: missing value")
                ] = value;
            }
        }

        return root;
    }

    private static JsonNode? Remove(JsonNode? root, string path, string operation)
    {
        var tokens = Tokens(path);
        if (tokens.Length == 0)
        {
            return null;
        }

        var (parent, last) = Parent(root, tokens, path, operation);
        if (parent is JsonObject obj ? obj.Remove(last) : RemoveAt((JsonArray)parent, last))
        {
            return root;
        }

        throw ApiError.Unprocessable($"{operation} operation does not apply: doc is missing path: \"{path}\": missing value");
    }

    private static bool RemoveAt(JsonArray list, string token)
    {
        if (Index(token, list.Count) is not { } index)
        {
            return false;
        }

        list.RemoveAt(index);
        return true;
    }

    private static (JsonNode Parent, string Last) Parent(JsonNode? root, string[] tokens, string path, string operation)
    {
        var node = root;
        foreach (var token in tokens.AsSpan(0, tokens.Length - 1))
        {
            node = node switch
            {
                JsonObject obj when obj.TryGetPropertyValue(token, out var child) => child,
                JsonArray list when Index(token, list.Count) is { } index => list[index],
                _ => null,
            };
        }

        return node is JsonObject or JsonArray
            ? (node, tokens[^1])
            : throw ApiError.Unprocessable($"{operation} operation does not apply: doc is missing path: \"{path}\": missing value");
    }

    private static int? Index(string token, int limit) =>
        int.TryParse(token, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var index)
        && (index < 0 ? index += limit : index) >= 0
        && index < limit
            ? index
            : null;
}
