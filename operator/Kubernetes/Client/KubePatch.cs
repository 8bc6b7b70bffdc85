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

    /// <summary>The subresource, such as status or scale; null for the object itself.</summary>
    public string? Subresource { get; init; }

    /// <summary>Null: the server derives the field manager from the user agent.</summary>
    public string? FieldManager { get; init; }

    /// <summary>
    /// Creates a JSON patch (RFC 6902). Use it for fields of other controllers, with a test of the value that was read. The patch then
    /// fails (422) if the value has changed.
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
    /// Creates a merge patch (RFC 7386). Null removes a field, and lists are replaced whole. A metadata.resourceVersion makes the patch
    /// conditional (409).
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

    /// <summary>Fails the patch unless the field has this value. Null stands for an explicit null.</summary>
    public static PatchOperation Test(string path, JsonNode? value) => new("test", path, value);

    public static PatchOperation Add(string path, JsonNode? value) => new("add", path, value);

    public static PatchOperation Replace(string path, JsonNode? value) => new("replace", path, value);

    public static PatchOperation Remove(string path) => new("remove", path, null);

    /// <summary>Returns a JSON pointer from keys, with ~ and / escaped. Annotation keys contain slashes.</summary>
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
