using Bursar.Core.Text;

namespace Bursar.Api;

/// <summary>Converts the selector of a resource to <see cref="LabelSelector"/>. Null selects everything.</summary>
public static class WorkloadSelectors
{
    public static LabelSelector Read(WorkloadSelector? selector, string path, List<FieldError> errors)
    {
        if (selector is null)
            return LabelSelector.Everything;
        var read = new LabelSelector
        {
            MatchLabels = selector.MatchLabels ?? new Dictionary<string, string>(),
            MatchExpressions =
            [
                .. (selector.MatchExpressions ?? []).Select(e => new LabelRequirement(e.Key ?? "", e.Operator ?? "", e.Values ?? [])),
            ],
        };
        errors.AddRange(read.Validate(path));
        return read;
    }
}
