namespace Bursar.Operator.Api;

/// <summary>Durations in CEL, whose own function knows no days.</summary>
internal static class DurationRule
{
    /// <summary>The value of a field as a duration, of the form that <see cref="Core.Text.GoDuration.Pattern"/> allows: days stand first and are whole.</summary>
    public const string Value = "(self.contains('d') ? duration(string(int(self.split('d')[0]) * 24) + 'h') + (self.endsWith('d') ? duration('0s') : duration(self.split('d')[1])) : duration(self))";
}
