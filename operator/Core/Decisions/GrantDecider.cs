using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The inputs of <see cref="GrantDecider.Decide"/>.</summary>
/// <param name="Budget">The budget's figures of this pass, without grants.</param>
/// <param name="Grants">The recorded grants.</param>
/// <param name="Requests">The requests for this budget. Null: they are not known, and no grant is withdrawn for a missing one.</param>
public sealed record GrantInputs(BudgetSnapshot Budget, IReadOnlyList<GrantRecord> Grants, IReadOnlyList<GrantRequest>? Requests);

/// <summary>The grants of a budget after one pass.</summary>
/// <param name="Records">The grants to store, oldest first.</param>
/// <param name="Current">The grants of this window with their used parts, in the order in which they are used.</param>
public sealed record GrantDecision(
    IReadOnlyList<GrantRecord> Records,
    IReadOnlyList<GrantRecord> Current,
    IReadOnlyList<RequestVerdict> Verdicts,
    IReadOnlyList<Announcement> Announcements
)
{
    /// <summary>The sum that the grants add to the limit.</summary>
    public Amount InForce => Current.Aggregate(Amount.Zero, (sum, grant) => sum + grant.InForce);
}

/// <summary>
/// Decides which requests are grants of a budget. A grant adds to the limit of the window in which it is approved. When it expires or is
/// withdrawn, its unused part leaves the limit and its used part stays until the window ends. Pure.
/// </summary>
public static class GrantDecider
{
    /// <summary>The most grants in one window. The status, the stored state and a pass are bounded by it.</summary>
    public const int MostInWindow = 50;

    /// <summary>The number of grants of earlier windows that are kept.</summary>
    private const int KeptEarlier = 50;

    public static GrantDecision Decide(GrantInputs inputs)
    {
        var budget = inputs.Budget;
        if (inputs.Grants.Count == 0 && inputs.Requests is not { Count: > 0 })
            return new([], [], [], []);
        var requests = (inputs.Requests ?? []).ToDictionary(request => request.Uid, StringComparer.Ordinal);
        var announcements = new List<Announcement>();
        var records = new List<GrantRecord>();
        foreach (var grant in WithUse(inputs.Grants, budget))
        {
            var request = requests.GetValueOrDefault(grant.RequestUid);
            var withdrawn = inputs.Requests is not null && (request is null || request.IsDenied || !request.IsApproved && !grant.Automatic);
            var expired = budget.Now >= grant.ExpiresAt || !IsInWindow(grant, budget);
            if (grant.EndedAt is not null || !withdrawn && !expired)
            {
                records.Add(grant);
                continue;
            }
            var ended = grant with { EndedAt = budget.Now };
            records.Add(ended);
            announcements.Add(
                new(
                    expired ? Reasons.GrantExpired : Reasons.GrantWithdrawn,
                    $"grant/{grant.RequestUid}/ended",
                    GrantMessages.Ended(ended, budget, expired),
                    Warning: false
                )
            );
        }

        var verdicts = new List<RequestVerdict>();
        foreach (
            var request in (inputs.Requests ?? [])
                .OrderBy(request => request.CreatedAt)
                .ThenBy(request => request.Namespace, StringComparer.Ordinal)
                .ThenBy(request => request.Name, StringComparer.Ordinal)
        )
        {
            if (records.Exists(grant => grant.RequestUid == request.Uid))
                continue;
            var inWindow = records.FindAll(grant => IsInWindow(grant, budget));
            if (Refusal(request, budget) is { } refused)
                verdicts.Add(refused);
            else if (!request.IsApproved && !ApprovesItself(request, budget.Terms, inWindow))
                verdicts.Add(
                    new(request.Uid, RequestState.Pending, Reasons.WaitingForApproval, GrantMessages.Waits(request, budget), null)
                );
            else if (inWindow.Count >= MostInWindow)
                verdicts.Add(new(request.Uid, RequestState.Pending, Reasons.TooManyGrants, GrantMessages.TooMany(budget), null));
            else
            {
                var grant = Grant(request, budget);
                records.Add(grant);
                announcements.Add(
                    new(Reasons.GrantApproved, $"grant/{grant.RequestUid}", GrantMessages.Approved(grant, budget), Warning: false)
                );
            }
        }

        var all = WithUse(records, budget);
        foreach (var grant in all)
            if (requests.TryGetValue(grant.RequestUid, out var request))
                verdicts.Add(VerdictOf(grant, request, budget));
        return new(Kept(records, budget), [.. InOrderOfUse(all.Where(grant => IsInWindow(grant, budget)))], verdicts, announcements);
    }

    /// <summary>Returns the state of a request that no budget can take.</summary>
    /// <param name="budget">The budget as the user names it: <c>GpuBudget nlp</c>.</param>
    public static RequestVerdict WithoutBudget(GrantRequest request, string budget, MissingBudget why) =>
        request.IsDenied ? new(request.Uid, RequestState.Denied, Reasons.Denied, GrantMessages.Denied(request), null)
        : request.Fault is { } fault ? new(request.Uid, RequestState.Failed, Reasons.InvalidSpec, fault, null)
        : new(request.Uid, RequestState.Pending, Reasons.BudgetNotFound, GrantMessages.NoBudget(budget, why), null);

    /// <summary>Ends the grants of a window that is over, with the parts that its spending used.</summary>
    /// <param name="limit">The limit of the window without grants.</param>
    /// <param name="spent">The spending in the window.</param>
    public static IReadOnlyList<GrantRecord> Close(
        IReadOnlyList<GrantRecord> grants,
        string window,
        DateTimeOffset end,
        Amount limit,
        Amount spent
    ) =>
        [
            .. Use(grants, grant => grant.Window == window, spent - limit)
                .Select(grant => grant.Window == window && grant.EndedAt is null ? grant with { EndedAt = end } : grant),
        ];

    /// <summary>
    /// Fills in the used part of the grants that have not ended. Grants are used once the limit without them is spent, and those that expire
    /// first are used first.
    /// </summary>
    private static IReadOnlyList<GrantRecord> Use(IReadOnlyList<GrantRecord> grants, Func<GrantRecord, bool> isInWindow, Amount beyond)
    {
        var used = new Dictionary<string, Amount>(StringComparer.Ordinal);
        var left = grants
            .Where(grant => isInWindow(grant) && grant.EndedAt is not null)
            .Aggregate(beyond, (sum, grant) => sum - grant.Used);
        foreach (var grant in InOrderOfUse(grants.Where(grant => isInWindow(grant) && grant.EndedAt is null)))
        {
            var part = Amount.Max(Amount.Zero, Amount.Min(grant.Amount, left));
            used[grant.RequestUid] = part;
            left -= part;
        }
        return
        [
            .. grants.Select(grant =>
                grant.EndedAt is null ? grant with { Used = used.GetValueOrDefault(grant.RequestUid, Amount.Zero) } : grant
            ),
        ];
    }

    private static IReadOnlyList<GrantRecord> WithUse(IReadOnlyList<GrantRecord> grants, BudgetSnapshot budget) =>
        Use(grants, grant => IsInWindow(grant, budget), budget.Spent - BudgetDecider.LimitOf(budget with { Granted = Amount.Zero }));

    private static IEnumerable<GrantRecord> InOrderOfUse(IEnumerable<GrantRecord> grants) =>
        grants.OrderBy(grant => grant.ExpiresAt).ThenBy(grant => grant.Since).ThenBy(grant => grant.RequestUid, StringComparer.Ordinal);

    /// <summary>
    /// Whether the limit of the current window contains the grant. A rolling window contains the used part of an ended one for its length,
    /// because the spending stays in it that long.
    /// </summary>
    private static bool IsInWindow(GrantRecord grant, BudgetSnapshot budget) =>
        grant.Window == budget.Window.Key
        && (
            budget.Terms.Window.Period != WindowPeriod.Rolling
            || grant.EndedAt is not { } ended
            || budget.Now < ended + budget.Window.Length
        );

    private static RequestVerdict? Refusal(GrantRequest request, BudgetSnapshot budget)
    {
        RequestVerdict With(RequestState state, string reason, string message) => new(request.Uid, state, reason, message, null);
        if (request.IsDenied)
            return With(RequestState.Denied, Reasons.Denied, GrantMessages.Denied(request));
        if (request.Fault is { } fault)
            return With(RequestState.Failed, Reasons.InvalidSpec, fault);
        if (
            request.GrantedBefore is { } before && (before.Window != budget.Window.Key || before.ExpiresAt <= budget.Now)
            || request.Until <= budget.Now
            || budget.Terms.Window.Period == WindowPeriod.Once && budget.Now >= budget.Window.End
        )
            return With(RequestState.Expired, Reasons.GrantExpired, GrantMessages.RequestExpired(request, budget));
        return request.Currency is { } currency && currency != budget.Currency
            ? With(RequestState.Failed, Reasons.CurrencyMismatch, GrantMessages.CurrencyMismatch(request, budget))
            : null;
    }

    /// <summary>Whether the budget's <c>autoApprove</c> covers the request. A withdrawn grant counts too.</summary>
    private static bool ApprovesItself(GrantRequest request, BudgetTerms terms, IReadOnlyList<GrantRecord> inWindow) =>
        terms.AutoApprove is { } rule
        && request.Amount <= terms.Limit.Percent(rule.MaxPercent)
        && inWindow.Count(grant => grant.Automatic) < rule.PerWindow;

    private static GrantRecord Grant(GrantRequest request, BudgetSnapshot budget)
    {
        var end = budget.Terms.Window.Period == WindowPeriod.Rolling ? budget.Now + budget.Window.Length : budget.Window.End;
        return new()
        {
            RequestUid = request.Uid,
            Namespace = request.Namespace,
            Name = request.Name,
            RequestedBy = request.RequestedBy,
            ApprovedBy = request.IsApproved ? request.AnsweredBy : GrantRecord.ByBursar,
            Reason = request.Reason,
            Amount = request.Amount,
            Window = budget.Window.Key,
            Since = budget.Now,
            ExpiresAt = request.Until is { } until && until < end ? until : end,
            Automatic = !request.IsApproved,
        };
    }

    private static RequestVerdict VerdictOf(GrantRecord grant, GrantRequest request, BudgetSnapshot budget) =>
        request.IsDenied ? new(request.Uid, RequestState.Denied, Reasons.Denied, GrantMessages.Denied(request), grant)
        : grant.EndedAt is null
            ? new(
                request.Uid,
                RequestState.Approved,
                grant.Automatic ? Reasons.AutoApproved : Reasons.GrantApproved,
                GrantMessages.Approved(grant, budget),
                grant
            )
        : !request.IsApproved && !grant.Automatic
            ? new(request.Uid, RequestState.Denied, Reasons.GrantWithdrawn, GrantMessages.Ended(grant, budget, expired: false), grant)
        : new(request.Uid, RequestState.Expired, Reasons.GrantExpired, GrantMessages.Ended(grant, budget, expired: true), grant);

    /// <summary>Returns the grants to store: all of this window, and the last ones of earlier windows. The used part is stored once it is final.</summary>
    private static IReadOnlyList<GrantRecord> Kept(IReadOnlyList<GrantRecord> grants, BudgetSnapshot budget)
    {
        var dropped = grants
            .Where(grant => !IsInWindow(grant, budget))
            .OrderByDescending(grant => grant.Since)
            .Skip(KeptEarlier)
            .Select(grant => grant.RequestUid)
            .ToHashSet(StringComparer.Ordinal);
        return
        [
            .. grants
                .Where(grant => !dropped.Contains(grant.RequestUid))
                .Select(grant => grant.EndedAt is null ? grant with { Used = Amount.Zero } : grant),
        ];
    }
}
