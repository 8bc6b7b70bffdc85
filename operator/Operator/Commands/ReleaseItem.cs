using Bursar.Kubernetes.Client;

namespace Bursar.Operator.Commands;

/// <summary>The outcome of restoring one object.</summary>
/// <param name="Text">For users.</param>
/// <param name="IsFailed">Whether the command must be run again. The record stays.</param>
/// <param name="KeepsRecord">Whether the record stays although nothing failed.</param>
internal sealed record ReleaseOutcome(string Text, bool IsFailed = false, bool KeepsRecord = false);

/// <summary>One object that <c>bursar release</c> restores.</summary>
internal sealed record ReleaseItem
{
    /// <summary>How often an object is restored again because an operator wrote its record meanwhile.</summary>
    private const int MostTries = 5;

    /// <summary>Format <c>namespace/Kind/name</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The text of a dry run.</summary>
    public required string Plan { get; init; }

    public required Func<CancellationToken, Task<ReleaseOutcome>> RestoreAsync { get; init; }

    /// <summary>Removes the restored record. Returns a new item if an operator has written another record since; otherwise null.</summary>
    public Func<CancellationToken, Task<ReleaseItem?>> ForgetAsync { get; init; } = _ => Task.FromResult<ReleaseItem?>(null);

    /// <summary>The text if an operator wrote the record at every try.</summary>
    public string Contested { get; init; } = "";

    public string Failure { get; init; } = "could not be resumed";

    /// <summary>
    /// Restores the object and then removes its record if that is unchanged. Returns false on failure. After a crash in between, the
    /// command can be run again.
    /// </summary>
    public async Task<bool> ReleaseAsync(bool dryRun, TextWriter output, CancellationToken cancellationToken)
    {
        var outcome = dryRun ? new(Plan) : await TryAsync(cancellationToken);
        await output.WriteLineAsync($"{Name}: {outcome.Text}");
        return !outcome.IsFailed;
    }

    private async Task<ReleaseOutcome> TryAsync(CancellationToken cancellationToken)
    {
        var item = this;
        for (var tried = 0; tried < MostTries; tried++)
        {
            ReleaseOutcome outcome;
            try
            {
                outcome = await item.RestoreAsync(cancellationToken);
            }
            catch (CommandException refused)
            {
                return new(refused.Message, IsFailed: true);
            }
            catch (ApiException refused)
            {
                return new($"{Failure}: {refused.Message}", IsFailed: true);
            }
            if (outcome.IsFailed || outcome.KeepsRecord || await item.ForgetAsync(cancellationToken) is not { } newer)
                return outcome;
            item = newer;
        }
        return new(Contested, IsFailed: true);
    }
}
