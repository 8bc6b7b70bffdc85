using System.Text.Json.Serialization;
using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// An approved request: an addition to a budget's limit in one window. Stored with the budget, because the request may be deleted.
/// </summary>
public sealed record GrantRecord
{
    /// <summary>The value of <see cref="ApprovedBy"/> for requests that the budget's own rule approves.</summary>
    public const string ByBursar = "bursar";

    public required string RequestUid { get; init; }

    /// <summary>The namespace of the request.</summary>
    public required string Namespace { get; init; }

    /// <summary>The name of the request.</summary>
    public required string Name { get; init; }

    /// <summary>The user who made the request. Null: the request does not name them.</summary>
    public string? RequestedBy { get; init; }

    /// <summary>The user who approved the request. Null: its status does not name them.</summary>
    public string? ApprovedBy { get; init; }

    public required string Reason { get; init; }

    public required Amount Amount { get; init; }

    /// <summary>The key of the window in which it was approved.</summary>
    public required string Window { get; init; }

    /// <summary>When Bursar saw the approval.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>When its unused part leaves the limit.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }

    /// <summary>The budget's <c>autoApprove</c> approved it.</summary>
    public bool Automatic { get; init; }

    /// <summary>When its unused part left the limit. Null: it has not.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The used part. Stored once the grant has ended; before that it is computed from the spending.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public Amount Used { get; init; }

    /// <summary>The part that the limit contains: all of it, and only the used part once it has ended.</summary>
    [JsonIgnore]
    public Amount InForce => EndedAt is null ? Amount : Used;
}
