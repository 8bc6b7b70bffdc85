using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;

namespace Bursar.Operator.Scaling.External;

/// <summary>gRPC's messages in a body: a flag, the length in four bytes, the message.</summary>
internal static class GrpcMessages
{
    /// <summary>Of one message; KEDA's are some hundred bytes.</summary>
    public const int MostBytes = 64 * 1024;

    public const int PrefixSize = 5;

    /// <summary>Reads the one message of a call, to the end of what the caller sends.</summary>
    public static async Task<byte[]> ReadOnlyOneAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var body = request.Body;
        var prefix = new byte[PrefixSize];
        var read = await body.ReadAtLeastAsync(prefix, PrefixSize, throwOnEndOfStream: false, cancellationToken);
        if (read == 0) throw new GrpcException(GrpcCode.Internal, "the call carries no message");
        if (read < PrefixSize) throw new GrpcException(GrpcCode.Internal, "the message breaks off in its prefix");
        switch (prefix[0])
        {
            case 0: break;
            case 1: throw new GrpcException(GrpcCode.Unimplemented, $"messages are read uncompressed only; this one is compressed{(request.Headers["grpc-encoding"] is { Count: 1 } encoding ? $" with {encoding}" : "")}");
            default: throw new GrpcException(GrpcCode.Internal, string.Create(CultureInfo.InvariantCulture, $"a message's first byte is 0 or 1, not {prefix[0]}"));
        }
        var length = BinaryPrimitives.ReadUInt32BigEndian(prefix.AsSpan(1));
        if (length > MostBytes) throw new GrpcException(GrpcCode.ResourceExhausted, string.Create(CultureInfo.InvariantCulture, $"the message has {length} bytes; at most {MostBytes} are read"));
        var message = new byte[length];
        if (await body.ReadAtLeastAsync(message, message.Length, throwOnEndOfStream: false, cancellationToken) < message.Length)
            throw new GrpcException(GrpcCode.Internal, "the message breaks off before its end");
        if (await body.ReadAsync(prefix.AsMemory(0, 1), cancellationToken) != 0) throw new GrpcException(GrpcCode.Internal, "the call carries more than one message");
        return message;
    }

    public static async Task WriteAsync(HttpResponse response, IMessage message, CancellationToken cancellationToken)
    {
        var size = message.CalculateSize();
        var framed = new byte[PrefixSize + size];
        BinaryPrimitives.WriteUInt32BigEndian(framed.AsSpan(1), (uint)size);
        message.WriteTo(framed.AsSpan(PrefixSize));
        await response.Body.WriteAsync(framed, cancellationToken);
        await response.Body.FlushAsync(cancellationToken);
    }

    /// <summary>As <c>grpc-message</c> must be: printable ASCII as it is, everything else and % as %XX of its UTF-8.</summary>
    public static string Encode(string text)
    {
        var encoded = new StringBuilder(text.Length);
        foreach (var octet in Encoding.UTF8.GetBytes(text))
        {
            if (octet is >= 0x20 and <= 0x7E and not (byte)'%') encoded.Append((char)octet);
            else encoded.Append('%').Append(octet.ToString("X2", CultureInfo.InvariantCulture));
        }
        return encoded.ToString();
    }
}
