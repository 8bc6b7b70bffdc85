using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>A window that a budget is counting, with its limit, top-ups among it.</summary>
public sealed record CountedWindow(string Key, DateTimeOffset Start, DateTimeOffset End, Amount Limit);

/// <summary>A window that is over, as it stood when the budget was first evaluated after its end.</summary>
public sealed record ClosedWindow(string Key, DateTimeOffset Start, DateTimeOffset End, Amount Limit, Amount Spent);
