using System.Text.Json.Serialization;
using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>A window that a budget is counting.</summary>
/// <param name="Limit">Its limit, including top-ups, grants and what was carried over.</param>
/// <param name="RolledOver">The part of the limit that the window before left unspent. It is used last and expires with this window.</param>
/// <param name="Granted">The part of the limit that grants added. It is never carried over.</param>
/// <param name="Loans">What loans added to the limit; negative if they lowered it.</param>
public sealed record CountedWindow(
    string Key,
    DateTimeOffset Start,
    DateTimeOffset End,
    Amount Limit,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] Amount RolledOver = default,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] Amount Granted = default,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] Amount Loans = default
)
{
    /// <summary>Returns what the next window may carry over: the unspent part of the limit without grants and what this window carried over.</summary>
    public Amount Unspent(Amount spent) => Amount.Max(Amount.Zero, Limit - RolledOver - Granted - spent);
}

/// <summary>A window that is over, as of the budget's first evaluation after its end.</summary>
public sealed record ClosedWindow(string Key, DateTimeOffset Start, DateTimeOffset End, Amount Limit, Amount Spent);
