using System.Text.Json;
using System.Text.Json.Nodes;

namespace Bursar.Kubernetes.Client;

/// <summary>A change to an object or to one of its subresources.</summary>
public sealed record KubePatch
{
    private KubePatch(string contentType, byte[] body)
    {
        ContentType = contentType;
        Body = body;
    }

    public string ContentType { get; }

    public ReadOnlyMemory<byte> Body { get; }

    /// <summary>status, scale, or null for the object itself.</summary>
    public string? Subresource { get; init; }

    /// <summary>Null: the server names the manager after the user agent.</summary>
    public string? FieldManager { get; init; }

    /// <summary>
    /// RFC 6902. Foreign fields are changed this way, with a test on the value that was read: it fails (422) if another was faster.
    /// </summary>
    public static KubePatch Json(params ReadOnlySpan<PatchOperation> operations)
    {
        PatchOperation[] all = operations.ToArray();
        return new KubePatch(
            "application/json-patch+json",
            JsonBody.Write(writer =>
            {
                writer.WriteStartArray();
                foreach (PatchOperation operation in all)
                    operation.Write(writer);
                writer.WriteEndArray();
            })
        );
    }

    /// <summary>
    /// RFC 7386: null removes a field, lists are replaced whole. A metadata.resourceVersion in it makes the patch conditional (409).
    /// </summary>
    public static KubePatch Merge(JsonNode patch) => Merge(writer => patch.WriteTo(writer));

    public static KubePatch Merge(Action<Utf8JsonWriter> write) => new("application/merge-patch+json", JsonBody.Write(write));
}

/// <summary>One step of a JSON patch. Paths are JSON pointers.</summary>
public sealed record PatchOperation
{
    private PatchOperation(string op, string path, JsonNode? value)
    {
        Op = op;
        Path = path;
        Value = value;
    }

    public string Op { get; }

    public string Path { get; }

    public JsonNode? Value { get; }

    /// <summary>The patch fails unless the value is this; a null value asks for an explicit null.</summary>
    public static PatchOperation Test(string path, JsonNode? value) => new("test", path, value);

    public static PatchOperation Add(string path, JsonNode? value) => new("add", path, value);

    public static PatchOperation Replace(string path, JsonNode? value) => new("replace", path, value);

    public static PatchOperation Remove(string path) => new("remove", path, null);

    /// <summary>A pointer from keys, with ~ and / escaped: annotations have slashes in their names.</summary>
    public static string Pointer(params ReadOnlySpan<string> keys)
    {
        string pointer = "";
        foreach (string key in keys)
            pointer += "/" + key.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
        return pointer;
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("op", Op);
        writer.WriteString("path", Path);
        if (Op != "remove")
        {
            writer.WritePropertyName("value");
            if (Value is null)
                writer.WriteNullValue();
            else
                Value.WriteTo(writer);
        }

        writer.WriteEndObject();
    }
}
