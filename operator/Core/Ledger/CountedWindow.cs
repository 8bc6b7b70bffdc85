using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>A window that a budget is counting, with its limit including top-ups.</summary>
public sealed record CountedWindow(string Key, DateTimeOffset Start, DateTimeOffset End, Amount Limit);

/// <summary>A window that is over, as of the budget's first evaluation after its end.</summary>
public sealed record ClosedWindow(string Key, DateTimeOffset Start, DateTimeOffset End, Amount Limit, Amount Spent);
