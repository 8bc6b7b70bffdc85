using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.OpenApi;

/// <summary>
/// The OpenAPI v3 documents of a server, one per group version. They are cached until a kind of the group version changes, because kubectl
/// requests them with nearly every command.
/// </summary>
public sealed class OpenApiDocuments
{
    private readonly ConcurrentDictionary<string, Built> _built = new(StringComparer.Ordinal);

    /// <summary>Returns <c>/openapi/v3</c>: the path of each document with the hash of its content.</summary>
    public JsonObject Index(IEnumerable<KindInfo> kinds)
    {
        var paths = new JsonObject();
        foreach (var (path, members) in ByPath(kinds))
        {
            paths[path] = new JsonObject { ["serverRelativeURL"] = $"/openapi/v3/{path}?hash={Build(path, members).Hash}" };
        }

        return new JsonObject { ["paths"] = paths };
    }

    /// <summary>Returns the document of <c>api/v1</c> or <c>apis/GROUP/VERSION</c>; null if it is not served.</summary>
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

/// <summary>A document in UTF-8 JSON and its hash in the index.</summary>
public sealed record OpenApiDocument(byte[] Json, string Hash);
