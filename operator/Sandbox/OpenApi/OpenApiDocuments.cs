using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.OpenApi;

/// <summary>
/// The OpenAPI v3 documents of a server, one per group version. Documents are kept as long as the kinds of their group
/// version stay the same objects, since kubectl asks for them with nearly every command.
/// </summary>
public sealed class OpenApiDocuments
{
    private readonly ConcurrentDictionary<string, Built> _built = new(StringComparer.Ordinal);

    /// <summary><c>/openapi/v3</c>: where each document lies, with a hash that changes when it does.</summary>
    public JsonObject Index(IEnumerable<KindInfo> kinds)
    {
        var paths = new JsonObject();
        foreach (var (path, members) in ByPath(kinds))
        {
            paths[path] = new JsonObject { ["serverRelativeURL"] = $"/openapi/v3/{path}?hash={Build(path, members).Hash}" };
        }

        return new JsonObject { ["paths"] = paths };
    }

    /// <summary>The document of <c>api/v1</c> or <c>apis/GROUP/VERSION</c> in UTF-8 JSON; null where nothing of it is served.</summary>
    public OpenApiDocument? Document(IEnumerable<KindInfo> kinds, string path)
    {
        foreach (var (candidate, members) in ByPath(kinds))
        {
            if (candidate == path)
            {
                var built = Build(path, members);
                return new OpenApiDocument(built.Json, built.Hash);
            }
        }

        return null;
    }

    private static IEnumerable<(string Path, KindInfo[] Kinds)> ByPath(IEnumerable<KindInfo> kinds) =>
        kinds
            .GroupBy(k => k.Group.Length == 0 ? $"api/{k.Version}" : $"apis/{k.Group}/{k.Version}")
            .OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => (g.Key, g.ToArray()));

    private Built Build(string path, KindInfo[] kinds)
    {
        if (_built.TryGetValue(path, out var built) && built.Kinds.SequenceEqual(kinds))
        {
            return built;
        }

        var components = new ComponentWriter(kinds);
        var paths = PathWriter.Write(kinds);
        var document = new JsonObject
        {
            ["openapi"] = "3.0.0",
            ["info"] = new JsonObject { ["title"] = "Bursar Sandbox", ["version"] = "unversioned" },
            ["paths"] = paths,
            ["components"] = new JsonObject { ["schemas"] = components.Write() },
        };
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            document.WriteTo(writer);
        }

        var json = buffer.ToArray();
        built = new Built(kinds, json, Convert.ToHexString(SHA256.HashData(json)));
        _built[path] = built;
        return built;
    }

    private sealed record Built(KindInfo[] Kinds, byte[] Json, string Hash);
}

/// <summary>One document in UTF-8 JSON and the hash that the index names it by.</summary>
public sealed record OpenApiDocument(byte[] Json, string Hash);
