using System.Text.Json.Serialization;
using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// A loan of one budget to another in one window, and its repayment. It raises the limit of the borrower and lowers that of the lender by
/// the same amount. Stored with the borrower only, so that one write changes both limits.
/// </summary>
public sealed record LoanRecord
{
    public required string LenderUid { get; init; }

    /// <summary>The lender as users name it: <c>team-vision/vision</c>, or the name of a ClusterGpuBudget.</summary>
    public required string Lender { get; init; }

    public required string BorrowerUid { get; init; }

    /// <summary>The borrower, named like the lender.</summary>
    public required string Borrower { get; init; }

    /// <summary>The key of the borrower's window.</summary>
    public required string Window { get; init; }

    /// <summary>The start of the borrower's window.</summary>
    public required DateTimeOffset Start { get; init; }

    /// <summary>The unit of the amounts. Null: a version that did not record it made the loan, in the unit that its borrower then counted.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public UsageUnit? Unit { get; init; }

    /// <summary>The amount lent in this window.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public Amount Lent { get; init; }

    /// <summary>The amount lent in earlier windows and not repaid when this one began.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public Amount OwedBefore { get; init; }

    /// <summary>The part of <see cref="OwedBefore"/> that is repaid in this window.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public Amount Repaid { get; init; }

    /// <summary>The amount that later windows repay.</summary>
    [JsonIgnore]
    public Amount Owed => OwedBefore - Repaid + Lent;

    [JsonIgnore]
    public bool IsEmpty => Lent == Amount.Zero && OwedBefore == Amount.Zero;
}
