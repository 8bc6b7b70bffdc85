namespace Bursar.Sandbox.Schemas;

/// <summary>A printer column of a CRD. Built-in kinds have their own row functions.</summary>
public sealed record ColumnInfo(string Name, string Type, string JsonPath, string Format = "", string Description = "", int Priority = 0);

/// <summary>The JSON paths of a scale subresource (<c>.spec.replicas</c>, <c>.status.replicas</c>, <c>.status.selector</c>).</summary>
public sealed record ScalePaths(string SpecReplicas, string StatusReplicas, string? LabelSelector);

/// <summary>A subresource with objects of another kind, such as <c>pods/eviction</c> with <c>policy/v1</c> Eviction.</summary>
public sealed record SubresourceInfo(string Name, string ApiVersion, string Kind);

/// <summary>A served version of a kind, for discovery, routing and OpenAPI.</summary>
public sealed class KindInfo
{
    public required string Group { get; init; }

    public required string Version { get; init; }

    public required string Kind { get; init; }

    public required string Plural { get; init; }

    public required bool Namespaced { get; init; }

    public required TypeSchema Schema { get; init; }

    public string Singular { get; init; } = "";

    public string ListKind { get; init; } = "";

    public IReadOnlyList<string> ShortNames { get; init; } = [];

    public IReadOnlyList<string> Categories { get; init; } = [];

    public bool HasStatus { get; init; }

    public ScalePaths? Scale { get; init; }

    public bool IsCustom { get; init; }

    /// <summary>True for reviews, which are not stored.</summary>
    public bool CreateOnly { get; init; }

    /// <summary>Subresources other than status and scale; they support only create.</summary>
    public IReadOnlyList<SubresourceInfo> Subresources { get; init; } = [];

    /// <summary>True if objects are stored in this version.</summary>
    public bool IsStorage { get; init; } = true;

    /// <summary>The columns of a CRD; empty means name and age.</summary>
    public IReadOnlyList<ColumnInfo> Columns { get; init; } = [];

    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    public string Resource => Group.Length == 0 ? Plural : $"{Plural}.{Group}";
}
