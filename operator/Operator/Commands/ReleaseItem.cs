using Bursar.Kubernetes.Client;

namespace Bursar.Operator.Commands;

/// <summary>The outcome of restoring one object.</summary>
/// <param name="Text">For people.</param>
/// <param name="IsFailed">Whether the command has to be run again. The record stays.</param>
/// <param name="KeepsRecord">Whether the record stays although nothing failed.</param>
internal sealed record ReleaseOutcome(string Text, bool IsFailed = false, bool KeepsRecord = false);

/// <summary>One object that <c>bursar release</c> restores.</summary>
internal sealed record ReleaseItem
{
    /// <summary>How often an object is restored again because an operator has written its record meanwhile.</summary>
    private const int MostTries = 5;

    /// <summary>As <c>namespace/Kind/name</c>.</summary>
    public required string Name { get; init; }

    /// <summary>What a dry run says.</summary>
    public required string Plan { get; init; }

    public required Func<CancellationToken, Task<ReleaseOutcome>> RestoreAsync { get; init; }

    /// <summary>Drops the record that was restored. Returns the item anew if an operator has written another record since; null if none is left.</summary>
    public Func<CancellationToken, Task<ReleaseItem?>> ForgetAsync { get; init; } = _ => Task.FromResult<ReleaseItem?>(null);

    /// <summary>The text if an operator writes the record at every try.</summary>
    public string Contested { get; init; } = "";

    public string Failure { get; init; } = "could not be resumed";

    /// <summary>
    /// Restores the object, then drops its record, and that only if it is still the one that was restored. Returns false if it failed. A command that
    /// dies in between is run again.
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
