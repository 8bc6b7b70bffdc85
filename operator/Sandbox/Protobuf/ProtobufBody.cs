using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Google.Protobuf;

namespace Bursar.Sandbox.Protobuf;

/// <summary>
/// Decodes a request body of type <c>application/vnd.kubernetes.protobuf</c>: four magic bytes, then an envelope with the kind and the
/// object's message.
/// </summary>
public static class ProtobufBody
{
    public const string MediaType = "application/vnd.kubernetes.protobuf";

    private static ReadOnlySpan<byte> Magic => "k8s\0"u8;

    public static bool HasMagic(ReadOnlySpan<byte> body) => body.StartsWith(Magic);

    /// <summary>Returns the object as JSON with apiVersion and kind from the envelope.</summary>
    /// <exception cref="ProtobufBodyException">The body is malformed, or its kind has no protobuf form.</exception>
    public static JsonObject Decode(ReadOnlySpan<byte> body, Func<string, string, TypeSchema?> schemas)
    {
        ArgumentNullException.ThrowIfNull(schemas);
        if (!HasMagic(body))
        {
            throw new ProtobufBodyException("The protobuf body does not begin with the four bytes \"k8s\\0\".");
        }

        try
        {
            return Envelope.Read(body[Magic.Length..].ToArray()).Open(schemas);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new ProtobufBodyException($"The protobuf body is malformed: {e.Message}", e);
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            // JsonNode throws ArgumentException for a duplicate key.
            throw new ProtobufBodyException($"The protobuf body holds malformed JSON: {e.Message}", e);
        }
    }

    /// <summary>The message runtime.Unknown.</summary>
    private sealed record Envelope(string ApiVersion, string Kind, byte[] Raw, string Encoding, string ContentType)
    {
        public static Envelope Read(byte[] bytes)
        {
            var input = new CodedInputStream(bytes);
            var envelope = new Envelope("", "", [], "", "");
            while (input.ReadTag() is var tag and not 0)
            {
                switch (WireFormat.GetTagFieldNumber(tag), WireFormat.GetTagWireType(tag))
                {
                    case (1, WireFormat.WireType.LengthDelimited):
                        var (apiVersion, kind) = ReadTypeMeta(input.ReadBytes().ToByteArray());
                        envelope = envelope with { ApiVersion = apiVersion, Kind = kind };
                        break;
                    case (2, WireFormat.WireType.LengthDelimited):
                        envelope = envelope with { Raw = input.ReadBytes().ToByteArray() };
                        break;
                    case (3, WireFormat.WireType.LengthDelimited):
                        envelope = envelope with { Encoding = input.ReadString() };
                        break;
                    case (4, WireFormat.WireType.LengthDelimited):
                        envelope = envelope with { ContentType = input.ReadString() };
                        break;
                    default:
                        input.SkipLastField();
                        break;
                }
            }

            return envelope;
        }

        public JsonObject Open(Func<string, string, TypeSchema?> schemas)
        {
            if (Kind.Length == 0 || ApiVersion.Length == 0)
            {
                throw new ProtobufBodyException("The protobuf body names no apiVersion and kind.");
            }

            if (Encoding.Length > 0)
            {
                throw new ProtobufBodyException($"The protobuf body is encoded as {Encoding}, which is not read here.");
            }

            JsonObject content;
            if (ContentType is "application/json")
            {
                content =
                    JsonNode.Parse(Raw) as JsonObject ?? throw new ProtobufBodyException("The protobuf body holds JSON that is no object.");
            }
            else
            {
                var schema = schemas(ApiVersion, Kind)
                    ?? throw new ProtobufBodyException($"A {Kind} of {ApiVersion} is not read from protobuf here.")
                    {
                        IsUnknownKind = true,
                    };
                content = MessageReader.Read(Raw, schema, depth: 0);
            }

            // The object's message has no fields for these two. Put them first, as in other formats.
            content.Remove("apiVersion");
            content.Remove("kind");
            content.Insert(0, "apiVersion", JsonValue.Create(ApiVersion));
            content.Insert(1, "kind", JsonValue.Create(Kind));
            return content;
        }

        private static (string ApiVersion, string Kind) ReadTypeMeta(byte[] bytes)
        {
            var input = new CodedInputStream(bytes);
            var (apiVersion, kind) = ("", "");
            while (input.ReadTag() is var tag and not 0)
            {
                switch (WireFormat.GetTagFieldNumber(tag), WireFormat.GetTagWireType(tag))
                {
                    case (1, WireFormat.WireType.LengthDelimited):
                        apiVersion = input.ReadString();
                        break;
                    case (2, WireFormat.WireType.LengthDelimited):
                        kind = input.ReadString();
                        break;
                    default:
                        input.SkipLastField();
                        break;
                }
            }

            return (apiVersion, kind);
        }
    }
}
