using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Bursar.Agent.Endpoints;

internal static class Answers
{
    public static async Task JsonAsync<T>(HttpContext context, int status, T value, JsonTypeInfo<T> type)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }

    public static Task RefuseAsync(HttpContext context, int status, string error) =>
        JsonAsync(context, status, new Refusal(error), EndpointJson.Default.Refusal);

    public static Task NotFoundAsync(HttpContext context) =>
        RefuseAsync(context, 404, $"there is no {context.Request.Method} {context.Request.Path}");

    /// <summary>Reads the body. Null if it is longer than <paramref name="maxBytes"/>, whatever its Content-Length says.</summary>
    public static async Task<byte[]?> BodyAsync(HttpContext context, int maxBytes)
    {
        if (context.Request.ContentLength > maxBytes)
            return null;
        var buffer = new ArrayBufferWriter<byte>();
        while (await context.Request.Body.ReadAsync(buffer.GetMemory(1024), context.RequestAborted) is > 0 and var read)
        {
            buffer.Advance(read);
            if (buffer.WrittenCount > maxBytes)
                return null;
        }
        return buffer.WrittenSpan.ToArray();
    }
}
