namespace Bursar.Sandbox.Schemas;

/// <summary>
/// The static type of an expression, with the name that overloads use. <c>dyn</c> is known only at run time.
/// </summary>
internal sealed record CelType(string Name, CelType? Element = null, CelType? Key = null)
{
    public static readonly CelType Dyn = new("dyn");
    public static readonly CelType Bool = new("bool");
    public static readonly CelType Int = new("int");
    public static readonly CelType String = new("string");

    private static readonly CelType Meta = new("object")
    {
        Fields = new Dictionary<string, CelType>(StringComparer.Ordinal) { ["name"] = String, ["generateName"] = String },
    };

    /// <summary>The fields of an object; null for a map or if they are unknown.</summary>
    public IReadOnlyDictionary<string, CelType>? Fields { get; init; }

    public bool IsDyn => Name == "dyn";

    /// <summary>Returns the type of a schema's value in rules; null if rules cannot access it.</summary>
    /// <remarks>Source: kubernetes/apiserver:pkg/cel/common/schemas.go.</remarks>
    public static CelType? From(TypeSchema schema, bool hasMetadata)
    {
        switch (schema.Type)
        {
            case SchemaType.IntOrString:
                return Dyn;
            case SchemaType.Array:
                return schema.Items is { } items && From(items, items.EmbeddedResource) is { } element ? new("list", element) : null;
            case SchemaType.Map:
                return schema.Items is { } values && From(values, values.EmbeddedResource) is { } value ? new("map", value, String) : null;
            case SchemaType.Object:
                var fields = new Dictionary<string, CelType>(StringComparer.Ordinal);
                if (hasMetadata)
                {
                    (fields["apiVersion"], fields["kind"], fields["metadata"]) = (String, String, Meta);
                }

                foreach (var (name, field) in schema.Properties)
                {
                    if (EscapedName(name) is { } escaped && From(field.Type, field.Type.EmbeddedResource) is { } type)
                    {
                        fields.TryAdd(escaped, type);
                    }
                }

                return new("object") { Fields = fields };
            case SchemaType.Integer:
                return Int;
            case SchemaType.Number:
                return new("double");
            case SchemaType.Boolean:
                return Bool;
            case SchemaType.String:
                return schema.Format switch
                {
                    "byte" => new("bytes"),
                    "duration" => new("duration"),
                    "date" or "date-time" => new("timestamp"),
                    _ => String,
                };
            default:
                return null;
        }
    }

    /// <summary>Returns the name of a property in expressions; null if they cannot access it.</summary>
    public static string? EscapedName(string name)
    {
        if (
            name
            is "true"
                or "false"
                or "null"
                or "in"
                or "as"
                or "break"
                or "const"
                or "continue"
                or "else"
                or "for"
                or "function"
                or "if"
                or "import"
                or "let"
                or "loop"
                or "package"
                or "namespace"
                or "return"
                or "var"
                or "void"
                or "while"
        )
        {
            return $"__{name}__";
        }

        var escaped = name.Replace("__", "__underscores__", StringComparison.Ordinal)
            .Replace(".", "__dot__", StringComparison.Ordinal)
            .Replace("-", "__dash__", StringComparison.Ordinal)
            .Replace("/", "__slash__", StringComparison.Ordinal);
        return escaped.Length > 0 && !char.IsAsciiDigit(escaped[0]) && escaped.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')
            ? escaped
            : null;
    }

    /// <summary>Returns true if a value of this type is accepted for a parameter.</summary>
    public bool Fits(string parameter) => IsDyn || parameter == "dyn" || Name == parameter || (parameter == "map" && Name == "object");

    /// <summary>Returns true if values of the two types may be compared for equality.</summary>
    public bool Agrees(CelType other)
    {
        if (IsDyn || other.IsDyn)
        {
            return true;
        }

        if (Name == "null" || other.Name == "null")
        {
            return (Name == "null" ? other : this).Name is "null" or "object" or "timestamp" or "duration" or "optional";
        }

        var maps = Name is "map" or "object" && other.Name is "map" or "object";
        return (maps || Name == other.Name) && (Element is null || other.Element is null || Element.Agrees(other.Element));
    }

    public override string ToString() =>
        Name switch
        {
            "list" => $"list({Element ?? Dyn})",
            "map" => $"map({Key ?? Dyn}, {Element ?? Dyn})",
            "optional" => $"optional_type({Element ?? Dyn})",
            "timestamp" => "timestamp",
            _ => Name,
        };
}
