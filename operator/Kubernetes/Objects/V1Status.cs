namespace Bursar.Kubernetes.Objects;

/// <summary>What the API server says about a failed request.</summary>
public sealed record V1Status
{
    public static readonly V1Status Empty = new();

    public string? Kind { get; init; }

    /// <summary>Success or Failure.</summary>
    public string? Status { get; init; }

    public string? Message { get; init; }

    public string? Reason { get; init; }

    public int Code { get; init; }

    public V1StatusDetails? Details { get; init; }
}

public sealed record V1StatusDetails
{
    public static readonly V1StatusDetails Empty = new();

    public string? Name { get; init; }

    public string? Group { get; init; }

    public string? Kind { get; init; }

    public string? Uid { get; init; }

    public int RetryAfterSeconds { get; init; }

    public IReadOnlyList<V1StatusCause> Causes
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record V1StatusCause
{
    public static readonly V1StatusCause Empty = new();

    public string? Reason { get; init; }

    public string? Message { get; init; }

    public string? Field { get; init; }
}
