using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Schemas;

/// <summary>
/// Reads the table of types (<c>builtin.types</c>, whose header describes the notation) into schemas and served kinds.
/// </summary>
internal sealed class TypeTable
{
    private static readonly Dictionary<string, TypeSchema> Scalars = new(StringComparer.Ordinal)
    {
        ["string"] = new() { Type = SchemaType.String },
        ["bool"] = new() { Type = SchemaType.Boolean },
        ["int32"] = new() { Type = SchemaType.Integer, Format = "int32" },
        ["int64"] = new() { Type = SchemaType.Integer, Format = "int64" },
        ["double"] = new() { Type = SchemaType.Number, Format = "double" },
        ["bytes"] = new() { Type = SchemaType.Bytes, Format = "byte" },
        ["any"] = new() { Type = SchemaType.Any, PreserveUnknownFields = true },
        ["quantity"] = WellKnown.Quantity,
        ["time"] = WellKnown.Time,
        ["microtime"] = WellKnown.MicroTime,
        ["intorstring"] = WellKnown.IntOrString,
        ["raw"] = WellKnown.RawExtension,
        ["fields"] = WellKnown.FieldsV1,
    };

    private readonly Dictionary<string, string> _prefixes = new(StringComparer.Ordinal);

    private readonly Dictionary<string, TypeDeclaration> _types = new(StringComparer.Ordinal);

    private readonly List<KindInfo> _kinds = [];

    private TypeTable() { }

    public IReadOnlyList<KindInfo> Kinds => _kinds;

    public static TypeTable Parse(string text)
    {
        var table = new TypeTable();
        var lines = text.Split('\n');
        foreach (var line in lines)
        {
            if (line.StartsWith("prefix ", StringComparison.Ordinal))
            {
                var words = line.Split(' ');
                table._prefixes[words[1]] = words[2].TrimEnd();
            }
            else if (line.StartsWith("type ", StringComparison.Ordinal))
            {
                table.Declare(line);
            }
        }

        // Read fields in a second pass, because types reference each other in both directions.
        TypeDeclaration? current = null;
        foreach (var line in lines)
        {
            if (line.StartsWith("type ", StringComparison.Ordinal))
            {
                current = table._types[line.Split(' ')[1].TrimEnd()];
            }
            else if (line.StartsWith("  ", StringComparison.Ordinal) && current is not null)
            {
                table.AddField(current, line);
            }
        }

        foreach (var line in lines)
        {
            if (line.StartsWith("kind ", StringComparison.Ordinal))
            {
                table.AddKind(line.TrimEnd());
            }
        }

        return table;
    }

    /// <summary>Returns a type by alias (<c>core.Pod</c>) or component name (<c>io.k8s.api.core.v1.Pod</c>), or null.</summary>
    public TypeSchema? Find(string name)
    {
        if (_types.TryGetValue(name, out var declared))
        {
            return declared.Schema;
        }

        foreach (var (alias, prefix) in _prefixes)
        {
            if (name.StartsWith(prefix, StringComparison.Ordinal) && _types.TryGetValue($"{alias}.{name[prefix.Length..]}", out declared))
            {
                return declared.Schema;
            }
        }

        return null;
    }

    private static (string[] Words, string Text) Split(string line)
    {
        var at = line.IndexOf(" -- ", StringComparison.Ordinal);
        var text = at < 0 ? "" : line[(at + 4)..].Trim();
        var words = (at < 0 ? line : line[..at]).Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return (words, text);
    }

    private void Declare(string line)
    {
        var (words, text) = Split(line);
        var declared = new TypeDeclaration();
        var dot = words[1].IndexOf('.', StringComparison.Ordinal);
        declared.Schema = new TypeSchema
        {
            Name = _prefixes[words[1][..dot]] + words[1][(dot + 1)..],
            Type = SchemaType.Object,
            Description = text,
            Properties = declared.Fields,
            Required = declared.Required,
            AtomicStructure = words.Length > 2 && words[2] == "atomic",
        };
        _types.Add(words[1], declared);
    }

    private void AddField(TypeDeclaration owner, string line)
    {
        var (words, text) = Split(line);
        var name = words[0];
        if (name.EndsWith('!'))
        {
            name = name[..^1];
            owner.Required.Add(name.TrimEnd('?'));
        }

        var presence = name.EndsWith('?');
        if (presence)
        {
            name = name[..^1];
        }

        var (inline, number) = Number(words[2]);
        var options = new FieldOptions();
        foreach (var word in words.AsSpan(3))
        {
            options.Read(word, line);
        }

        owner.Fields.Add(
            name,
            new FieldSchema(name, Resolve(words[1], options), number, text)
            {
                ProtobufInlineNumber = inline,
                HasPresence = presence,
                PatchRetainsKeys = options.RetainKeys,
            }
        );
    }

    private static (int Inline, int Number) Number(string word)
    {
        if (word == "-")
        {
            return (0, 0);
        }

        var dot = word.IndexOf('.', StringComparison.Ordinal);
        return dot < 0
            ? (0, int.Parse(word, System.Globalization.CultureInfo.InvariantCulture))
            : (
                int.Parse(word.AsSpan(0, dot), System.Globalization.CultureInfo.InvariantCulture),
                int.Parse(word.AsSpan(dot + 1), System.Globalization.CultureInfo.InvariantCulture)
            );
    }

    private TypeSchema Resolve(string word, FieldOptions options)
    {
        switch (word[0])
        {
            case '[':
                return new TypeSchema
                {
                    Type = SchemaType.Array,
                    Items = Resolve(word[1..^1], options.ForItems()),
                    List = options.List,
                    ListMapKeys = options.Keys,
                    PatchMergeKey = options.MergeKey,
                    PatchMergesScalars = options.MergesScalars,
                    Default = options.Default,
                };
            case '{':
                return new TypeSchema
                {
                    Type = SchemaType.Map,
                    Items = Resolve(word[1..^1], options.ForItems()),
                    AtomicStructure = options.Atomic,
                    Default = options.Default,
                };
        }

        var plain =
            Scalars.TryGetValue(word, out var scalar) ? scalar
            : _types.TryGetValue(word, out var declared) ? declared.Schema
            : throw new FormatException($"The table of types names the type {word}, which it does not declare.");
        return options.Enum is null && options.Default is null ? plain : With(plain, options);
    }

    private static TypeSchema With(TypeSchema plain, FieldOptions options) =>
        new()
        {
            Name = plain.Name,
            Type = plain.Type,
            Description = plain.Description,
            Properties = plain.Properties,
            Required = plain.Required,
            AtomicStructure = plain.AtomicStructure,
            PreserveUnknownFields = plain.PreserveUnknownFields,
            Format = plain.Format,
            Enum = options.Enum,
            Default = options.Default,
        };

    private void AddKind(string line)
    {
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var (group, version) = ApiVersions.Split(words[1]);
        var schema = _types[words[3]].Schema;
        var kind = words[3][(words[3].IndexOf('.', StringComparison.Ordinal) + 1)..];
        string[] shortNames = [];
        string[] categories = [];
        var status = false;
        var scale = false;
        var createOnly = false;
        var subresources = new List<SubresourceInfo>();
        foreach (var word in words.AsSpan(5))
        {
            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var value = equals < 0 ? "" : word[(equals + 1)..];
            switch (equals < 0 ? word : word[..equals])
            {
                case "short":
                    shortNames = value.Split(',');
                    break;
                case "categories":
                    categories = value.Split(',');
                    break;
                case "status":
                    status = true;
                    break;
                case "scale":
                    scale = true;
                    break;
                case "create-only":
                    createOnly = true;
                    break;
                case var name:
                    var slash = value.LastIndexOf('/');
                    subresources.Add(new SubresourceInfo(name, value[..slash], value[(slash + 1)..]));
                    break;
            }
        }

        _kinds.Add(
            new KindInfo
            {
                Group = group,
                Version = version,
                Kind = kind,
                Plural = words[2],
                Namespaced = words[4] == "Namespaced",
                Schema = schema,
                Singular = kind.ToLowerInvariant(),
                ListKind = kind + "List",
                ShortNames = shortNames,
                Categories = categories,
                HasStatus = status,
                Scale = scale ? new ScalePaths(".spec.replicas", ".status.replicas", ".spec.selector") : null,
                CreateOnly = createOnly,
                Subresources = subresources,
            }
        );
    }

    private sealed class TypeDeclaration
    {
        public Dictionary<string, FieldSchema> Fields { get; } = new(StringComparer.Ordinal);

        public List<string> Required { get; } = [];

        public TypeSchema Schema { get; set; } = WellKnown.RawExtension;
    }

    private sealed class FieldOptions
    {
        public ListKind List { get; private set; }

        public IReadOnlyList<string> Keys { get; private set; } = [];

        public string? MergeKey { get; private set; }

        public bool MergesScalars { get; private set; }

        public bool RetainKeys { get; private set; }

        public bool Atomic { get; private set; }

        public IReadOnlyList<JsonNode>? Enum { get; private set; }

        public JsonNode? Default { get; private set; }

        public void Read(string word, string line)
        {
            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var value = equals < 0 ? "" : word[(equals + 1)..];
            switch (equals < 0 ? word : word[..equals])
            {
                case "set":
                    List = ListKind.Set;
                    break;
                case "keys":
                    List = ListKind.Map;
                    Keys = value.Split(',');
                    break;
                case "merge":
                    MergeKey = value;
                    break;
                case "mergeset":
                    MergesScalars = true;
                    break;
                case "retain":
                    RetainKeys = true;
                    break;
                case "atomic":
                    Atomic = true;
                    break;
                case "enum":
                    Enum = [.. value.Split('|').Select(v => (JsonNode)JsonValue.Create(v)!)];
                    break;
                case "default":
                    Default = JsonNode.Parse(value);
                    break;
                default:
                    throw new FormatException($"The table of types has an option it does not know: {line}");
            }
        }

        /// <summary>
        /// Returns the options of a list's or map's elements. An enumeration applies to the elements, the rest to the list.
        /// </summary>
        public FieldOptions ForItems() => new() { Enum = Enum };
    }
}
