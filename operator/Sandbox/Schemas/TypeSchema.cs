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

/// <summary>How server-side apply and strategic merge treat a list: as a single value, a set of scalars, or a map by keys.</summary>
public enum ListKind
{
    Atomic,
    Set,
    Map,
}

/// <summary>
/// A type of the API, built-in or from a CRD. Validation, defaulting, pruning, strict decoding, OpenAPI, explain, merging and protobuf
/// decoding all use it.
/// </summary>
public sealed class TypeSchema
{
    private bool? _hasRules;

    /// <summary>The OpenAPI component name of a built-in type (<c>io.k8s.api.core.v1.Container</c>); null if inline.</summary>
    public string? Name { get; init; }

    public SchemaType Type { get; init; }

    public string Description { get; init; } = "";

    /// <summary>The fields of an object, in declaration order.</summary>
    public IReadOnlyDictionary<string, FieldSchema> Properties { get; init; } = new Dictionary<string, FieldSchema>();

    /// <summary>The type of an array's elements or a map's values; else null.</summary>
    public TypeSchema? Items { get; init; }

    public ListKind List { get; init; } = ListKind.Atomic;

    /// <summary>The keys of a list of kind <see cref="ListKind.Map"/>, for server-side apply.</summary>
    public IReadOnlyList<string> ListMapKeys { get; init; } = [];

    /// <summary>
    /// The merge key of this list for strategic merge (<c>name</c>, <c>containerPort</c>). If null, the list is replaced.
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

    /// <summary>True if this type or a nested one has rules.</summary>
    public bool HasRules => _hasRules ??= Rules.Count > 0 || Items?.HasRules == true || Properties.Values.Any(p => p.Type.HasRules);
}

/// <summary>A field of an object; <see cref="ProtobufNumber"/> is 0 for custom resources, which have no protobuf form.</summary>
public sealed record FieldSchema(string Name, TypeSchema Type, int ProtobufNumber = 0, string Description = "")
{
    /// <summary>
    /// The field number of the message that contains this field, if JSON inlines that message (a volume's source); else 0.
    /// </summary>
    public int ProtobufInlineNumber { get; init; }

    /// <summary>
    /// True if protobuf distinguishes a zero or empty value of this field from an absent one. Otherwise zero values are dropped.
    /// </summary>
    public bool HasPresence { get; init; }

    /// <summary>
    /// True if strategic merge removes the keys of this object, or of this list's objects, that are not in the patch's
    /// <c>$retainKeys</c>.
    /// </summary>
    public bool PatchRetainsKeys { get; init; }
}
