using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Bursar.Kubernetes.Client;

/// <summary>Bodies of requests.</summary>
internal static class JsonBody
{
    // Bodies go to an API server, never into HTML: quotes and angle brackets stay readable.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Write(Action<Utf8JsonWriter> write)
    {
        ArrayBufferWriter<byte> buffer = new(256);
        using (Utf8JsonWriter writer = new(buffer, Options))
            write(writer);
        return buffer.WrittenSpan.ToArray();
    }
}
