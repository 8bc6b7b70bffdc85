using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>A user's request to add an amount to a budget's limit, with the answer to it.</summary>
public sealed record GrantRequest
{
    public required string Uid { get; init; }

    public required string Namespace { get; init; }

    public required string Name { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    public Amount Amount { get; init; }

    /// <summary>The currency that the request expects. Null: that of the budget.</summary>
    public string? Currency { get; init; }

    public string Reason { get; init; } = "";

    /// <summary>When the grant expires. Null: with the window.</summary>
    public DateTimeOffset? Until { get; init; }

    public string? RequestedBy { get; init; }

    public bool IsApproved { get; init; }

    /// <summary>A denial has precedence over an approval.</summary>
    public bool IsDenied { get; init; }

    /// <summary>The message of the answer. Null: there is none.</summary>
    public string? Answer { get; init; }

    /// <summary>The user who answered. Null: the status does not name them.</summary>
    public string? AnsweredBy { get; init; }

    /// <summary>Why the spec cannot be used. Null: it can.</summary>
    public string? Fault { get; init; }

    /// <summary>
    /// The window for which its status says that it was granted, and the expiry. They keep a request from being granted again after the
    /// budget was recreated or the ledger dropped the record.
    /// </summary>
    public (string Window, DateTimeOffset ExpiresAt)? GrantedBefore { get; init; }
}

public enum RequestState
{
    Pending,
    Approved,
    Denied,

    /// <summary>The time of the grant is over, or was over before the approval.</summary>
    Expired,

    /// <summary>The request cannot be granted.</summary>
    Failed,
}

/// <summary>The state of a request, as its status and an Event report it.</summary>
/// <param name="Grant">The grant, with its used part. Null: there is none.</param>
public sealed record RequestVerdict(string Uid, RequestState State, string Reason, string Message, GrantRecord? Grant);
