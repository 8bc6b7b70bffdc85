using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Google.Protobuf;
using WireType = Google.Protobuf.WireFormat.WireType;

namespace Bursar.Sandbox.Protobuf;

/// <summary>Decodes a message by the field numbers of its type to the JSON of the same object.</summary>
internal static class MessageReader
{
    /// <summary>Deeper than any built-in type; prevents bodies from exhausting the stack.</summary>
    private const int MaximumDepth = 64;

    public static JsonObject Read(byte[] bytes, TypeSchema schema, int depth)
    {
        var target = new JsonObject();
        ReadInto(target, bytes, schema, inline: 0, depth);
        return target;
    }

    private static void ReadInto(JsonObject target, byte[] bytes, TypeSchema schema, int inline, int depth)
    {
        if (depth > MaximumDepth)
        {
            throw new ProtobufBodyException($"The protobuf body nests deeper than {MaximumDepth} messages.");
        }

        var input = new CodedInputStream(bytes);
        while (input.ReadTag() is var tag and not 0)
        {
            var number = WireFormat.GetTagFieldNumber(tag);
            var wire = WireFormat.GetTagWireType(tag);
            if (Find(schema, inline, number) is { } field)
            {
                ReadField(target, input, wire, field, schema.Required.Contains(field.Name), depth);
            }
            else if (inline == 0 && wire == WireType.LengthDelimited && HoldsInlined(schema, number))
            {
                ReadInto(target, input.ReadBytes().ToByteArray(), schema, number, depth + 1);
            }
            else
            {
                input.SkipLastField();
            }
        }
    }

    private static FieldSchema? Find(TypeSchema schema, int inline, int number)
    {
        foreach (var field in schema.Properties.Values)
        {
            if (field.ProtobufNumber == number && field.ProtobufInlineNumber == inline)
            {
                return field;
            }
        }

        return null;
    }

    private static bool HoldsInlined(TypeSchema schema, int number)
    {
        foreach (var field in schema.Properties.Values)
        {
            if (field.ProtobufInlineNumber == number)
            {
                return true;
            }
        }

        return false;
    }

    private static void ReadField(JsonObject target, CodedInputStream input, WireType wire, FieldSchema field, bool required, int depth)
    {
        var type = field.Type;
        switch (type.Type)
        {
            case SchemaType.Array:
                if (target[field.Name] is not JsonArray list)
                {
                    target[field.Name] = list = [];
                }

                ReadItems(list, input, wire, field.Name, type.Items!, depth);
                break;
            case SchemaType.Map:
                Expect(wire, WireType.LengthDelimited, field.Name);
                if (target[field.Name] is not JsonObject map)
                {
                    target[field.Name] = map = [];
                }

                ReadEntry(map, input.ReadBytes().ToByteArray(), field.Name, type.Items!, depth);
                break;
            default:
                var value = ReadValue(input, wire, field.Name, type, depth);
                if (value is not null && (field.HasPresence || required || !SaysNothing(value, type)))
                {
                    target[field.Name] = value;
                }
                else
                {
                    target.Remove(field.Name);
                }

                break;
        }
    }

    /// <summary>True for a zero value that clients write even if the field is not set.</summary>
    private static bool SaysNothing(JsonNode value, TypeSchema type) =>
        type.Type switch
        {
            SchemaType.String or SchemaType.Bytes => value.GetValue<string>().Length == 0,
            SchemaType.Integer => value.GetValue<long>() == 0,
            SchemaType.Number => value.GetValue<double>() == 0,
            SchemaType.Boolean => !value.GetValue<bool>(),
            SchemaType.Object => value is JsonObject { Count: 0 },
            _ => false,
        };

    private static void ReadItems(JsonArray list, CodedInputStream input, WireType wire, string name, TypeSchema items, int depth)
    {
        var varint = items.Type is SchemaType.Integer or SchemaType.Boolean;
        if (varint && wire == WireType.LengthDelimited)
        {
            var packed = new CodedInputStream(input.ReadBytes().ToByteArray());
            while (!packed.IsAtEnd)
            {
                list.Add(ReadValue(packed, WireType.Varint, name, items, depth));
            }

            return;
        }

        list.Add(ReadValue(input, wire, name, items, depth));
    }

    private static void ReadEntry(JsonObject map, byte[] bytes, string name, TypeSchema values, int depth)
    {
        var input = new CodedInputStream(bytes);
        var key = "";
        JsonNode? value = null;
        while (input.ReadTag() is var tag and not 0)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case 1:
                    Expect(WireFormat.GetTagWireType(tag), WireType.LengthDelimited, name);
                    key = input.ReadString();
                    break;
                case 2 when values.Type == SchemaType.Array:
                    // The value of a protobuf map cannot be repeated, so such lists have their own message.
                    var wrapped = new JsonArray();
                    var inner = new CodedInputStream(input.ReadBytes().ToByteArray());
                    while (inner.ReadTag() is var innerTag and not 0)
                    {
                        ReadItems(wrapped, inner, WireFormat.GetTagWireType(innerTag), name, values.Items!, depth + 1);
                    }

                    value = wrapped;
                    break;
                case 2:
                    value = ReadValue(input, WireFormat.GetTagWireType(tag), name, values, depth);
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }

        map[key] = value ?? Empty(values);
    }

    private static JsonNode? Empty(TypeSchema type) =>
        type.Type switch
        {
            SchemaType.String or SchemaType.Bytes => JsonValue.Create(""),
            SchemaType.Integer => JsonValue.Create(0L),
            SchemaType.Boolean => JsonValue.Create(false),
            SchemaType.Quantity => JsonValue.Create("0"),
            SchemaType.Object => new JsonObject(),
            SchemaType.Array => new JsonArray(),
            _ => null,
        };

    private static JsonNode? ReadValue(CodedInputStream input, WireType wire, string name, TypeSchema type, int depth)
    {
        switch (type.Type)
        {
            case SchemaType.Integer:
                Expect(wire, WireType.Varint, name);
                var integer = input.ReadInt64();
                return JsonValue.Create(type.Format == "int32" ? (int)integer : integer);
            case SchemaType.Boolean:
                Expect(wire, WireType.Varint, name);
                return JsonValue.Create(input.ReadBool());
            case SchemaType.Number:
                Expect(wire, WireType.Fixed64, name);
                return JsonValue.Create(input.ReadDouble());
            case SchemaType.String:
                Expect(wire, WireType.LengthDelimited, name);
                return JsonValue.Create(input.ReadString());
        }

        Expect(wire, WireType.LengthDelimited, name);
        var bytes = input.ReadBytes().ToByteArray();
        switch (type.Type)
        {
            case SchemaType.Bytes:
                return JsonValue.Create(Convert.ToBase64String(bytes));
            case SchemaType.Time or SchemaType.MicroTime:
                return ReadTime(bytes, name, type.Type == SchemaType.MicroTime);
            case SchemaType.Quantity:
                return JsonValue.Create(ReadText(bytes, 1, name) is { Length: > 0 } amount ? amount : "0");
            case SchemaType.IntOrString:
                return ReadIntOrString(bytes, name);
            case SchemaType.Any:
                return ReadJson(bytes, name);
            case SchemaType.Object when type.PreserveUnknownFields && type.Properties.Count == 0:
                return ReadJson(bytes, name);
            case SchemaType.Object:
                return Read(bytes, type, depth + 1);
            default:
                throw new ProtobufBodyException($"The field {name} has no protobuf form.");
        }
    }

    private static JsonValue? ReadTime(byte[] bytes, string name, bool micro)
    {
        if (bytes.Length == 0)
        {
            return null;
        }

        var input = new CodedInputStream(bytes);
        long seconds = 0;
        long nanos = 0;
        while (input.ReadTag() is var tag and not 0)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case 1:
                    seconds = input.ReadInt64();
                    break;
                case 2:
                    nanos = input.ReadInt32();
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }

        // Go's zero time, the first second of year 1, means that the field is not set.
        const long zero = -62135596800;
        const long last = 253402300799;
        if (seconds == zero)
        {
            return null;
        }

        if (seconds is < zero or > last || nanos is < 0 or > 999_999_999)
        {
            throw new ProtobufBodyException($"The field {name} holds a time out of range.");
        }

        var moment = DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks(nanos / 100);
        return JsonValue.Create(
            moment.ToString(micro ? "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'" : "yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)
        );
    }

    private static JsonValue ReadIntOrString(byte[] bytes, string name)
    {
        var input = new CodedInputStream(bytes);
        long type = 0;
        long number = 0;
        var text = "";
        while (input.ReadTag() is var tag and not 0)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case 1:
                    type = input.ReadInt64();
                    break;
                case 2:
                    number = input.ReadInt32();
                    break;
                case 3:
                    Expect(WireFormat.GetTagWireType(tag), WireType.LengthDelimited, name);
                    text = input.ReadString();
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }

        return type switch
        {
            0 => JsonValue.Create(number),
            1 => JsonValue.Create(text),
            _ => throw new ProtobufBodyException($"The field {name} is neither a number nor a string."),
        };
    }

    private static string ReadText(byte[] bytes, int number, string name)
    {
        var input = new CodedInputStream(bytes);
        var text = "";
        while (input.ReadTag() is var tag and not 0)
        {
            if (WireFormat.GetTagFieldNumber(tag) == number)
            {
                Expect(WireFormat.GetTagWireType(tag), WireType.LengthDelimited, name);
                text = input.ReadString();
            }
            else
            {
                input.SkipLastField();
            }
        }

        return text;
    }

    private static JsonNode? ReadJson(byte[] bytes, string name)
    {
        var input = new CodedInputStream(bytes);
        byte[] raw = [];
        while (input.ReadTag() is var tag and not 0)
        {
            if (WireFormat.GetTagFieldNumber(tag) == 1)
            {
                Expect(WireFormat.GetTagWireType(tag), WireType.LengthDelimited, name);
                raw = input.ReadBytes().ToByteArray();
            }
            else
            {
                input.SkipLastField();
            }
        }

        return raw.Length == 0 ? null : JsonNode.Parse(raw);
    }

    private static void Expect(WireType actual, WireType expected, string name)
    {
        if (actual != expected)
        {
            throw new ProtobufBodyException($"The field {name} has wire type {actual} where {expected} belongs.");
        }
    }
}
