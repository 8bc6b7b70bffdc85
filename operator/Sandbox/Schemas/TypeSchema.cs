using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Schemas;

public enum SchemaType
{
    Any,
    Object,
    Map,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
    Quantity,
    Time,
    MicroTime,
    Bytes,
}

/// <summary>How server-side apply and strategic merge treat a list: as one value, a set of scalars, or a map by keys.</summary>
public enum ListKind
{
    Atomic,
    Set,
    Map,
}

/// <summary>
/// One type of the API, built-in or from a CRD. Validation, defaulting, pruning, strict decoding, OpenAPI, explain, merge
/// keys and protobuf decoding all read this one description.
/// </summary>
public sealed class TypeSchema
{
    private bool? _hasRules;

    /// <summary>The OpenAPI component's name for a named built-in type (<c>io.k8s.api.core.v1.Container</c>); null when inline.</summary>
    public string? Name { get; init; }

    public SchemaType Type { get; init; }

    public string Description { get; init; } = "";

    /// <summary>The fields of an object, in declaration order.</summary>
    public IReadOnlyDictionary<string, FieldSchema> Properties { get; init; } = new Dictionary<string, FieldSchema>();

    /// <summary>The element of an array, or the value of a map.</summary>
    public TypeSchema? Items { get; init; }

    public ListKind List { get; init; } = ListKind.Atomic;

    /// <summary>The keys of a list of kind <see cref="ListKind.Map"/>, as server-side apply uses them.</summary>
    public IReadOnlyList<string> ListMapKeys { get; init; } = [];

    /// <summary>
    /// Strategic merge's key for this list, where it has one (<c>name</c>, <c>containerPort</c>); else the list is replaced.
    /// </summary>
    public string? PatchMergeKey { get; init; }

    /// <summary>Strategic merge merges this list of scalars as a set (<c>finalizers</c>).</summary>
    public bool PatchMergesScalars { get; init; }

    /// <summary>Server-side apply treats the object or map as one value.</summary>
    public bool AtomicStructure { get; init; }

    public bool PreserveUnknownFields { get; init; }

    public bool EmbeddedResource { get; init; }

    public bool Nullable { get; init; }

    public IReadOnlyList<string> Required { get; init; } = [];

    public JsonNode? Default { get; init; }

    public IReadOnlyList<JsonNode>? Enum { get; init; }

    public string? Format { get; init; }

    public string? Pattern { get; init; }

    public decimal? Minimum { get; init; }

    public decimal? Maximum { get; init; }

    public bool ExclusiveMinimum { get; init; }

    public bool ExclusiveMaximum { get; init; }

    public int? MinLength { get; init; }

    public int? MaxLength { get; init; }

    public int? MinItems { get; init; }

    public int? MaxItems { get; init; }

    public int? MinProperties { get; init; }

    public int? MaxProperties { get; init; }

    /// <summary>The CEL rules of a custom resource's schema; built-in types have none.</summary>
    public IReadOnlyList<ValidationRule> Rules { get; internal set; } = [];

    /// <summary>Whether this type or one within it has rules.</summary>
    public bool HasRules => _hasRules ??= Rules.Count > 0 || Items?.HasRules == true || Properties.Values.Any(p => p.Type.HasRules);
}

/// <summary>A field of an object; <see cref="ProtobufNumber"/> is 0 for custom resources, which have no protobuf form.</summary>
public sealed record FieldSchema(string Name, TypeSchema Type, int ProtobufNumber = 0, string Description = "")
{
    /// <summary>The number of the message that holds this field where JSON inlines that message (a volume's source); else 0.</summary>
    public int ProtobufInlineNumber { get; init; }

    /// <summary>
    /// Whether protobuf tells a zero or empty value of this field from an absent one; elsewhere a zero says nothing and is dropped.
    /// </summary>
    public bool HasPresence { get; init; }

    /// <summary>
    /// Strategic merge clears the keys of this object, or of each of this list's objects, that the patch's <c>$retainKeys</c> does not
    /// name.
    /// </summary>
    public bool PatchRetainsKeys { get; init; }
}
