namespace Bursar.Sandbox.Schemas;

/// <summary>A printer column as a CRD declares it; built-in kinds print through their own row functions.</summary>
public sealed record ColumnInfo(string Name, string Type, string JsonPath, string Format = "", string Description = "", int Priority = 0);

/// <summary>The JSON paths of a scale subresource (<c>.spec.replicas</c>, <c>.status.replicas</c>, <c>.status.selector</c>).</summary>
public sealed record ScalePaths(string SpecReplicas, string StatusReplicas, string? LabelSelector);

/// <summary>A subresource that takes objects of another kind (<c>pods/eviction</c> takes a <c>policy/v1</c> Eviction).</summary>
public sealed record SubresourceInfo(string Name, string ApiVersion, string Kind);

/// <summary>One served version of a kind: what discovery, the request router and OpenAPI need to know of it.</summary>
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

    /// <summary>Reviews are created and answered, but not stored.</summary>
    public bool CreateOnly { get; init; }

    /// <summary>Subresources besides status and scale, all of them only created.</summary>
    public IReadOnlyList<SubresourceInfo> Subresources { get; init; } = [];

    /// <summary>Whether a CRD stores this version; built-in kinds store one version only.</summary>
    public bool IsStorage { get; init; } = true;

    /// <summary>Columns a CRD declares; empty means name and age.</summary>
    public IReadOnlyList<ColumnInfo> Columns { get; init; } = [];

    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    public string Resource => Group.Length == 0 ? Plural : $"{Plural}.{Group}";
}
