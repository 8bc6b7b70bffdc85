using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Bursar.Kubernetes.Client;

internal static class JsonBody
{
    // Bodies are never part of an HTML page, so quotes and angle brackets need no escaping.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Write(Action<Utf8JsonWriter> write)
    {
        ArrayBufferWriter<byte> buffer = new(256);
        using (Utf8JsonWriter writer = new(buffer, Options))
            write(writer);
        return buffer.WrittenSpan.ToArray();
    }
}
