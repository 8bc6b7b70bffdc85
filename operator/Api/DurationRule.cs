namespace Bursar.Api;

/// <summary>Durations in CEL, whose own function knows no days.</summary>
internal static class DurationRule
{
    /// <summary>
    /// The value of a field in whole seconds, of the form that <see cref="Core.Text.GoDuration.Pattern"/> allows: days stand first and are
    /// whole. No text is put together or split: the API server estimates such a rule to cost too much and refuses the whole kind.
    /// </summary>
    public const string Seconds =
        "(self.contains('d') ? int(self.substring(0, self.indexOf('d'))) * 86400 + (self.endsWith('d') ? 0 : duration(self.substring(self.indexOf('d') + 1)).getSeconds()) : duration(self).getSeconds())";
}
