using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Crds;

/// <summary>
/// Builds the structural schema of a C# type. Only this namespace uses reflection, and only for a development command. The calling assembly
/// roots the types that it passes.
/// </summary>
public static class SchemaBuilder
{
    public static JsonObject Build([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] Type root)
    {
        var schema = OfObject(root);
        var properties = (JsonObject)schema["properties"]!;
        properties["apiVersion"] = Described("string", "The API version that this object is written in.");
        properties["kind"] = Described("string", "The kind of this object.");
        properties["metadata"] = new JsonObject { ["type"] = "object" };
        return schema;
    }

    private static JsonObject OfObject([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] Type type)
    {
        var properties = new JsonObject();
        var required = new JsonArray();
        var isRoot = type.IsDefined(typeof(KubernetesEntityAttribute));
        foreach (
            var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
                .Where(p => !p.IsDefined(typeof(JsonIgnoreAttribute)))
                .OrderBy(p => p.Name, StringComparer.Ordinal)
        )
        {
            // Build adds these fields, which every kind has.
            if (isRoot && property.Name is ("ApiVersion" or "Kind" or "Metadata"))
                continue;
            var name = JsonNamingPolicy.CamelCase.ConvertName(property.Name);
            properties[name] = OfProperty(property);
            if (property.IsDefined(typeof(RequiredAttribute)))
                required.Add((JsonNode)JsonValue.Create(name));
        }
        var schema = new JsonObject { ["type"] = "object", ["properties"] = properties };
        if (required.Count > 0)
            schema["required"] = required;
        if (type.GetCustomAttribute<DescriptionAttribute>() is { } description)
            schema["description"] = description.Description;
        AddRules(schema, type.GetCustomAttributes<ValidationRuleAttribute>());
        return schema;
    }

    private static JsonObject OfProperty(PropertyInfo property)
    {
        var schema = property.IsDefined(typeof(PreserveUnknownFieldsAttribute))
            ? new JsonObject
            {
                ["type"] = "object",
                ["x-kubernetes-preserve-unknown-fields"] = true,
                ["x-kubernetes-map-type"] = "atomic",
            }
            : OfType(property.PropertyType, property);
        if (property.IsDefined(typeof(IntOrStringAttribute)))
            AllowInt(schema["additionalProperties"] as JsonObject ?? schema);

        if (property.GetCustomAttribute<DescriptionAttribute>() is { } description)
            schema["description"] = description.Description;
        if (property.GetCustomAttribute<DefaultJsonAttribute>() is { } value)
        {
            schema["default"] = JsonNode.Parse(value.Json);
            DescribeDefault(schema);
        }
        if (property.GetCustomAttribute<AllowedValuesAttribute>() is { } allowed)
            schema["enum"] = Strings(allowed.Values);
        if (property.GetCustomAttribute<PatternAttribute>() is { } pattern)
            schema["pattern"] = pattern.RegexPattern;
        if (property.GetCustomAttribute<FormatAttribute>() is { } format)
            schema["format"] = format.Format;
        if (property.GetCustomAttribute<LengthAttribute>() is { } length)
        {
            if (length.MinLength > 0)
                schema["minLength"] = length.MinLength;
            if (length.MaxLength >= 0)
                schema["maxLength"] = length.MaxLength;
        }
        if (property.GetCustomAttribute<RangeMinimumAttribute>() is { } minimum)
        {
            schema["minimum"] = Number(minimum.Minimum);
            if (minimum.ExclusiveMinimum)
                schema["exclusiveMinimum"] = true;
        }
        if (property.GetCustomAttribute<RangeMaximumAttribute>() is { } maximum)
        {
            schema["maximum"] = Number(maximum.Maximum);
            if (maximum.ExclusiveMaximum)
                schema["exclusiveMaximum"] = true;
        }
        if (property.GetCustomAttribute<ItemsAttribute>() is { } items)
        {
            var (least, most) = schema.ContainsKey("additionalProperties") ? ("minProperties", "maxProperties") : ("minItems", "maxItems");
            if (items.MinItems > 0)
                schema[least] = items.MinItems;
            if (items.MaxItems >= 0)
                schema[most] = items.MaxItems;
        }
        if (property.GetCustomAttribute<ListTypeAttribute>() is { } list)
        {
            schema["x-kubernetes-list-type"] = list.Type;
            if (list.MapKeys.Count > 0)
                schema["x-kubernetes-list-map-keys"] = Strings(list.MapKeys);
        }
        if ((schema["items"] ?? schema["additionalProperties"]) is JsonObject item)
        {
            if (property.GetCustomAttribute<ItemLengthAttribute>() is { } itemLength)
            {
                if (itemLength.MinLength > 0)
                    item["minLength"] = itemLength.MinLength;
                item["maxLength"] = itemLength.MaxLength;
            }
            if (property.GetCustomAttribute<ItemPatternAttribute>() is { } itemPattern)
                item["pattern"] = itemPattern.RegexPattern;
            if (property.GetCustomAttribute<ItemRangeAttribute>() is { } itemRange)
            {
                item["minimum"] = itemRange.Minimum;
                item["maximum"] = itemRange.Maximum;
            }
        }
        AddRules(schema, property.GetCustomAttributes<ValidationRuleAttribute>());
        return schema;
    }

    /// <summary>Changes a schema to int-or-string. The API server demands an anyOf of both types and no type beside it.</summary>
    private static void AllowInt(JsonObject schema)
    {
        schema.Remove("type");
        schema["anyOf"] = new JsonArray(new JsonObject { ["type"] = "integer" }, new JsonObject { ["type"] = "string" });
        schema["x-kubernetes-int-or-string"] = true;
    }

    [UnconditionalSuppressMessage("Trimming", "IL2067", Justification = "The caller of Build roots the types of the kinds that it passes.")]
    private static JsonObject OfType(Type type, PropertyInfo property)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(string))
            return new() { ["type"] = "string" };
        if (type == typeof(bool))
            return new() { ["type"] = "boolean" };
        if (type == typeof(int))
            return new() { ["type"] = "integer", ["format"] = "int32" };
        if (type == typeof(long))
            return new() { ["type"] = "integer", ["format"] = "int64" };
        if (type == typeof(DateTimeOffset))
            return new() { ["type"] = "string", ["format"] = "date-time" };
        if (type == typeof(V1Condition))
            return ConditionSchema();
        if (type.IsGenericType)
        {
            var definition = type.GetGenericTypeDefinition();
            var arguments = type.GetGenericArguments();
            if (definition == typeof(IReadOnlyList<>))
                return new() { ["type"] = "array", ["items"] = OfType(arguments[0], property) };
            if (definition == typeof(IReadOnlyDictionary<,>) && arguments[0] == typeof(string))
                return new() { ["type"] = "object", ["additionalProperties"] = OfType(arguments[1], property) };
        }
        else if (type.IsClass && type.Namespace?.StartsWith("System", StringComparison.Ordinal) != true)
            return OfObject(type);
        throw new NotSupportedException($"{property.DeclaringType?.Name}.{property.Name}: there is no schema for {type}");
    }

    /// <summary>Returns the schema of metav1.Condition, with the bounds of the API conventions.</summary>
    private static JsonObject ConditionSchema()
    {
        var status = Described("string", "True, False or Unknown.");
        status["enum"] = Strings(["True", "False", "Unknown"]);
        var type = Described("string", "The type of the condition.");
        type["maxLength"] = 316;
        type["pattern"] =
            "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
        var reason = Described("string", "The reason as one CamelCase word.");
        reason["minLength"] = 1;
        reason["maxLength"] = 1024;
        reason["pattern"] = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
        var message = Described("string", "The reason as a sentence for people.");
        message["maxLength"] = 32768;
        var moved = Described("string", "The time of the last change of the condition's status.");
        moved["format"] = "date-time";
        var generation = Described("integer", "The generation of the spec that the condition describes.");
        generation["format"] = "int64";
        generation["minimum"] = 0;
        return new()
        {
            ["type"] = "object",
            ["properties"] = new JsonObject
            {
                ["type"] = type,
                ["status"] = status,
                ["reason"] = reason,
                ["message"] = message,
                ["lastTransitionTime"] = moved,
                ["observedGeneration"] = generation,
            },
            ["required"] = Strings(["lastTransitionTime", "message", "reason", "status", "type"]),
        };
    }

    private static void AddRules(JsonObject schema, IEnumerable<ValidationRuleAttribute> rules)
    {
        var list = new JsonArray();
        foreach (var rule in rules.OrderBy(r => r.Rule, StringComparer.Ordinal))
        {
            var entry = new JsonObject { ["rule"] = rule.Rule };
            if (rule.Message is not null)
                entry["message"] = rule.Message;
            if (rule.MessageExpression is not null)
                entry["messageExpression"] = rule.MessageExpression;
            if (rule.FieldPath is not null)
                entry["fieldPath"] = rule.FieldPath;
            if (rule.Reason is not null)
                entry["reason"] = rule.Reason;
            list.Add((JsonNode)entry);
        }
        if (list.Count > 0)
            schema["x-kubernetes-validations"] = list;
    }

    /// <summary>Adds the default to the description, because <c>kubectl explain</c> does not show defaults. An empty object says nothing.</summary>
    private static void DescribeDefault(JsonObject schema)
    {
        var text =
            schema["default"] is JsonValue value && value.TryGetValue<string>(out var plain) ? plain : schema["default"]!.ToJsonString();
        if (text != "{}" && schema["description"] is { } description && !HasDefault(schema))
            schema["description"] = $"{description} Default: {text}.";
    }

    /// <summary>Whether the description states the default.</summary>
    internal static bool HasDefault(JsonObject schema) =>
        schema["description"]?.GetValue<string>().Contains("Default: ", StringComparison.Ordinal) == true;

    private static JsonObject Described(string type, string description) => new() { ["type"] = type, ["description"] = description };

    private static JsonArray Strings(IEnumerable<string> values) => new([.. values.Select(v => (JsonNode)JsonValue.Create(v))]);

    private static JsonValue Number(double value) =>
        value == Math.Floor(value) && Math.Abs(value) < 1e15 ? JsonValue.Create((long)value) : JsonValue.Create(value);
}
