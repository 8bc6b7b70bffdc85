using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Protobuf;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;
using Microsoft.AspNetCore.Http;

namespace Bursar.Sandbox.ApiServer;

/// <summary>The body of a request, decoded by its content type.</summary>
internal sealed class RequestBody
{
    private const int Limit = 3 * 1024 * 1024;
    private readonly byte[] _bytes;

    private RequestBody(byte[] bytes, string mediaType)
    {
        _bytes = bytes;
        MediaType = mediaType;
    }

    public string MediaType { get; }

    public bool IsEmpty => _bytes.Length == 0;

    /// <summary>The duplicate keys.</summary>
    public List<string> Duplicates { get; } = [];

    public static async Task<RequestBody> ReadAsync(HttpRequest request, CancellationToken ct)
    {
        if (request.ContentLength > Limit)
        {
            throw TooLarge();
        }

        using var buffer = new MemoryStream();
        await request.Body.CopyToAsync(buffer, ct).ConfigureAwait(false);
        return buffer.Length > Limit
            ? throw TooLarge()
            : new RequestBody(buffer.ToArray(), (request.ContentType ?? "").Split(';')[0].Trim().ToLowerInvariant());
    }

    /// <summary>Decodes the body as an object.</summary>
    public JsonObject Object()
    {
        switch (MediaType)
        {
            case "" or "application/json":
                return JsonText() as JsonObject
                    ?? throw ApiError.BadRequest("the object provided is unrecognized (must be of type Object): a JSON object is expected");
            case "application/yaml" or "application/x-yaml":
                return Yaml() as JsonObject
                    ?? throw ApiError.BadRequest(
                        "the object provided is unrecognized (must be of type Object): a YAML mapping is expected"
                    );
            case ProtobufBody.MediaType:
                try
                {
                    return ProtobufBody.Decode(_bytes, BuiltInTypes.For);
                }
                catch (ProtobufBodyException e)
                {
                    throw e.IsUnknownKind
                        ? ApiError.UnsupportedMediaType("application/json, application/yaml")
                        : ApiError.BadRequest(e.Message);
                }

            default:
                throw ApiError.UnsupportedMediaType("application/json, application/yaml, application/vnd.kubernetes.protobuf");
        }
    }

    public JsonNode? JsonText()
    {
        try
        {
            return Json.Parse(_bytes, Duplicates);
        }
        catch (JsonException e)
        {
            throw ApiError.BadRequest($"error decoding JSON: {e.Message}");
        }
    }

    public JsonNode? Yaml() => YamlBody.Parse(Encoding.UTF8.GetString(_bytes), Duplicates);

    private static ApiError TooLarge() => new(413, "RequestEntityTooLarge", $"Request entity too large: limit is {Limit}");
}
